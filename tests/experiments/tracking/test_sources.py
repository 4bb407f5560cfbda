from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.tracking import sources
from experiments.tracking.journal import Journal
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.sources import Source, journals, of_journal, of_store, parents_first
from experiments.tracking.store import Store

NewRecorder = Callable[..., Recorder]
SOURCE = Source("a", "a", None, "e", "sqlite:///mlflow.db", False, "1", lambda: pytest.fail("loaded"))


def test_journals_are_found_at_any_depth_but_not_among_a_runs_files(tmp_path: Path) -> None:
    for folder in ("b", "a/0", "a/0/earlier/x", "a/0/artifacts", "a/0/model", "mlruns/x", ".venv/x"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "journal.jsonl").touch()
    found = [str(path.parent.relative_to(tmp_path)) for path in journals([tmp_path, tmp_path / "b", tmp_path / "c"])]
    assert found == ["a/0/earlier/x", "a/0", "b"]


def test_a_journal_says_whose_it_is_and_whether_it_is_being_written(
    store: Store, project: Path, new_recorder: NewRecorder
) -> None:
    path = project / "outputs" / "1" / "journal.jsonl"
    with new_recorder(run_name="mine"):
        assert of_journal(path).goes_on
    source = of_journal(path)
    assert (source.name, source.experiment, source.uri, source.goes_on) == (
        "mine", "cifar10", "sqlite:///mlflow.db", False,
    )  # fmt: skip
    assert source.load().status == "FINISHED"


def test_a_journal_that_has_just_been_made_goes_on(project: Path) -> None:
    journal = Journal(project / "outputs" / "1")
    source = of_journal(journal.path)
    assert (source.name, source.goes_on) == ("1", True)
    journal.close()
    with pytest.raises(TrackingError, match="its journal has no beginning"):
        of_journal(journal.path)


def test_who_brings_a_run_out_of_a_database_is_alone(
    store: Store, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LOCK_SECONDS", 0.1)
    store.client.create_run(store.experiment_id, run_name="one")
    (source,) = of_store(store, project)
    with source.alone() as alone, source.alone() as another:
        assert (alone, another) == (True, False)


@pytest.mark.parametrize(
    ("folder", "said", "uri"),
    [
        ("outputs/1", "outputs/1", "sqlite:///mlflow.db"),
        ("laptop/outputs/1", "outputs/1", "sqlite:///laptop/mlflow.db"),
        ("laptop/runs/1", "runs/1", "sqlite:///laptop/mlflow.db"),
        ("laptop/multirun/x/0", "", "sqlite:///laptop/mlflow.db"),
        ("from-the-cluster/1", "outputs/1", "sqlite:///mlflow.db"),
    ],
)
def test_a_database_is_that_of_the_journals_own_project(project: Path, folder: str, said: str, uri: str) -> None:
    journal = Journal(project / folder)
    journal.append("begin", id="a", name="n", experiment="e", uri="sqlite:///mlflow.db", parent=None)
    journal.append("tags", values={"folder": said} if said else {})
    journal.close()
    assert of_journal(Path(folder, "journal.jsonl")).uri == uri


@pytest.mark.parametrize("uri", ["http://host:5000", "sqlite:////data/mlflow.db", "", "sqlite:///a\0b"])
def test_any_other_store_is_as_the_journal_names_it(project: Path, uri: str) -> None:
    journal = Journal(project / "laptop" / "outputs" / "1")
    journal.append("begin", id="a", name="n", experiment="e", uri=uri, parent=None)
    journal.close()
    assert of_journal(journal.path).uri == uri


def test_of_runs_with_a_journal_a_store_gives_only_those_that_it_has_all_of(
    store: Store, project: Path, new_recorder: NewRecorder
) -> None:
    for name in ("whole", "part"):
        with new_recorder(run_name=name) as recorder:
            pass
    store.client.set_tag(recorder.run_id, "journal.seq", "2")
    store.client.create_run(store.experiment_id, run_name="without")
    journaled = [of_journal(path) for path in journals([project])]
    assert {source.name for source in of_store(store, project, journaled)} == {"whole", "without"}
    assert {source.name for source in of_store(store, project)} == {"whole", "part", "without"}


def test_a_store_of_many_pages_is_read_to_its_end(store: Store, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = store.client.search_runs
    monkeypatch.setattr(store.client, "search_runs", lambda *a, **named: search(*a, max_results=2, **named))
    for number in range(5):
        store.client.create_run(store.experiment_id, run_name=str(number), start_time=1 + number)
    assert [source.name for source in of_store(store, project)] == ["0", "1", "2", "3", "4"]


def test_parents_come_first_and_nothing_is_left_out() -> None:
    grandchild, child, parent, orphan = (
        replace(SOURCE, identity=identity, name=identity, parent=above)
        for identity, above in (("g", "c"), ("c", "p"), ("p", None), ("o", "nowhere"))
    )
    again = replace(grandchild, name="g again")
    ordered = [source.name for source in parents_first([grandchild, child, orphan, parent, again])]
    assert sorted(ordered) == ["c", "g", "g again", "o", "p"]
    assert ordered.index("p") < ordered.index("c") < ordered.index("g")
    circle = [replace(SOURCE, identity="x", parent="y"), replace(SOURCE, identity="y", parent="x")]
    assert len(parents_first(circle)) == 2
