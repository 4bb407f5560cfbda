"""Runs that are taken up again, and folders that an earlier run left something in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from experiments.sync import main as sync
from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import JOURNAL_FILE, Journal, read_journal
from experiments.tracking.opening import put_aside
from experiments.tracking.reading import effective
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store
from experiments.tracking.system import Sample
from tests.dumps import dump
from tests.services.mlflow_server import Proxy, Server

NewRecorder = Callable[..., Recorder]


def stopped(recorder: Recorder) -> Recorder:
    """A run of two epochs that Ctrl-C ended in its third."""
    with suppress(KeyboardInterrupt), recorder:
        for epoch in (1, 2):
            recorder.log_epoch(epoch, {"loss": 1 / epoch}, [Sample(epoch, epoch - 1, {"system/x": float(epoch)})])
        raise KeyboardInterrupt
    return recorder


def go_on(recorder: Recorder) -> Recorder:
    """From the checkpoint of the first epoch, so that the second comes again; its samples begin at 0 again."""
    with recorder:
        for epoch in (2, 3):
            recorder.log_epoch(epoch, {"loss": 10 + epoch}, [Sample(50 + epoch, epoch - 2, {"system/x": -1.0})])
        recorder.log_metrics({"test_loss": 0.25})
    return recorder


def resumed(project: Path, folder: str, run: str, **named: Any) -> Recorder:
    return go_on(Recorder(TrackingConfig(**named), project / folder, "other name", resume=run))


def values(store: Store, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(item.step, item.value) for item in store.client.get_metric_history(run_id, name)]


def check_goes_on(store: Store, run_id: str) -> None:
    run = store.client.get_run(run_id)
    assert (run.info.status, run.info.run_name, run.data.tags["resumes"]) == ("FINISHED", "first", "1")
    assert values(store, run_id, "loss") == [(1, 1.0), (2, 0.5), (3, 13.0)], "no step is there twice"
    assert values(store, run_id, "system/x") == [(0, 1.0), (1, 2.0), (2, -1.0), (3, -1.0)], "samples are counted on"
    assert values(store, run_id, "test_loss") == [(0, 0.25)]
    assert len(store.client.search_runs([store.experiment_id])) == 1


def test_a_run_goes_on_in_its_folder(store: Store, project: Path, new_recorder: NewRecorder) -> None:
    first = stopped(new_recorder(run_name="first"))
    assert store.client.get_run(first.run_id).info.status == "KILLED"
    again = resumed(project, "outputs/1", first.run_id)
    assert again.run_id == first.run_id
    check_goes_on(store, first.run_id)
    kinds = [entry.kind for entry in read_journal(project / "outputs" / "1" / JOURNAL_FILE)]
    assert kinds[-7:] == ["end", "resume", "tags", "metrics", "metrics", "metrics", "end"]


def test_while_it_goes_on_it_is_running(store: Store, project: Path, new_recorder: NewRecorder) -> None:
    first = stopped(new_recorder(run_name="first"))
    with Recorder(TrackingConfig(), project / "outputs" / "1", resume=first.run_id):
        assert store.client.get_run(first.run_id).info.status == "RUNNING"


def test_a_run_goes_on_in_another_folder(store: Store, project: Path, new_recorder: NewRecorder) -> None:
    first = stopped(new_recorder(run_name="first"))
    resumed(project, "elsewhere", first.run_id)
    check_goes_on(store, first.run_id)
    before = dump(store.client, "cifar10")
    assert sync(["outputs", "elsewhere"]) == 0
    assert dump(store.client, "cifar10") == before, "the first journal, which ends with KILLED, changes nothing"


def test_a_run_goes_on_that_no_journal_knows(store: Store, project: Path) -> None:
    run_id = store.client.create_run(store.experiment_id, run_name="first").info.run_id
    for step in (1, 2):
        store.client.log_metric(run_id, "loss", 1 / step, step, step)
        store.client.log_metric(run_id, "system/x", float(step), step, step - 1)
    assert resumed(project, "elsewhere", run_id).run_id == run_id
    check_goes_on(store, run_id)


def test_settings_stay_and_what_differs_stands_beside_them(
    store: Store, project: Path, new_recorder: NewRecorder
) -> None:
    first = stopped(new_recorder(run_name="first", params={"epochs": 3, "seed": 0}, tags={"host": "a", "os": "x"}))
    for epochs, host in ((5, "b"), (7, "a")):
        params, tags = {"epochs": epochs, "seed": 0, "new": 1}, {"host": host, "os": "x"}
        with Recorder(TrackingConfig(), project / "outputs" / "1", None, params, tags, resume=first.run_id) as again:
            again.log_params({"seed": 0})
    run = store.client.get_run(first.run_id)
    assert run.data.params == {"epochs": "3", "seed": "0", "new": "1"}
    told = {name: value for name, value in run.data.tags.items() if name.startswith("resume")}
    assert told == {"resumes": "2", "resume.1.epochs": "5", "resume.1.host": "b", "resume.2.epochs": "7"}


def test_a_setting_that_is_set_back_is_told_again(store: Store, project: Path, new_recorder: NewRecorder) -> None:
    first = stopped(new_recorder(run_name="first", params={"patience": None}))
    for patience in (3, None, None):
        with Recorder(TrackingConfig(), project / "outputs" / "1", None, {"patience": patience}, resume=first.run_id):
            pass
    tags = store.client.get_run(first.run_id).data.tags
    told = {name: value for name, value in tags.items() if name.startswith("resume.")}
    assert told == {"resume.1.patience": "3", "resume.2.patience": "null"}
    assert effective({"patience": "null"}, tags) == {"patience": "null"}


def test_a_note_replaces_the_one_before(store: Store, project: Path, new_recorder: NewRecorder) -> None:
    first = stopped(new_recorder(TrackingConfig(note="a try")))
    for note, described in ((None, "a try"), ("a good one", "a good one")):
        with Recorder(TrackingConfig(note=note), project / "outputs" / "1", resume=first.run_id):
            pass
        tags = store.client.get_run(first.run_id).data.tags
        assert tags["mlflow.note.content"] == described
        assert not any(name.endswith("note.content") and name.startswith("resume") for name in tags)


def test_a_run_that_no_server_knew_goes_on_by_its_reference(
    proxy: Proxy, server: Server, project: Path, new_recorder: NewRecorder, impatient: None
) -> None:
    config = TrackingConfig(uri=proxy.uri, experiment="resumed-offline")
    proxy.close()
    first = stopped(new_recorder(config, "first"))
    assert first.reference.startswith("journal-")
    again = go_on(Recorder(config, project / "outputs" / "1", resume=first.reference))
    assert again.reference == first.reference
    proxy.open()
    assert sync([]) == 0
    store = go_on(new_recorder(config, "second")).store
    assert store is not None
    (run,) = [run for run in store.client.search_runs([store.experiment_id]) if run.info.run_name == "first"]
    store.client.delete_run(store.client.search_runs([store.experiment_id], "run_name = 'second'")[0].info.run_id)
    check_goes_on(store, run.info.run_id)


def test_a_run_that_is_not_there_or_was_deleted_is_an_error_that_leaves_nothing(
    store: Store, project: Path, new_recorder: NewRecorder
) -> None:
    with pytest.raises(TrackingError, match=r"^run ffff: is not in sqlite:"):
        resumed(project, "elsewhere", "ffff")
    first = stopped(new_recorder(run_name="first"))
    store.client.delete_run(first.run_id)
    journal = (project / "outputs" / "1" / JOURNAL_FILE).read_bytes()
    with pytest.raises(TrackingError, match="was deleted"):
        resumed(project, "outputs/1", first.run_id)
    with pytest.raises(TrackingError, match=r"was deleted\. Restore it first: mlflow runs restore --run-id"):
        resumed(project, "elsewhere", first.run_id)
    assert (project / "outputs" / "1" / JOURNAL_FILE).read_bytes() == journal
    assert not (project / "elsewhere").exists()


def test_a_run_that_goes_on_already_is_not_taken_up_again(
    store: Store, project: Path, new_recorder: NewRecorder
) -> None:
    with (
        new_recorder(run_name="first") as first,
        pytest.raises(TrackingError, match="another process writes it; its run goes on"),
    ):
        resumed(project, "outputs/1", first.run_id)


def test_what_an_earlier_run_left_in_the_folder_is_put_aside_and_still_brought(
    store: Store, project: Path, new_recorder: NewRecorder
) -> None:
    for name in ("first", "second"):
        with Recorder(TrackingConfig(), project / "mine", name) as recorder:
            recorder.log_text(name, "note.txt")
    (aside,) = (project / "mine" / "earlier").iterdir()
    assert (aside / "artifacts" / "note.txt").read_text() == "first"
    assert (project / "mine" / "artifacts" / "note.txt").read_text() == "second"
    assert sync(["--to", "sqlite:///other.db", "mine"]) == 0
    assert sorted(dump(store.client, "cifar10")) == ["first", "second"]


def test_half_a_beginning_is_taken_back(store: Store, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Journal.append

    def full(journal: Journal, kind: str, *arguments: Any, **facts: Any) -> Any:
        if kind == "tags":
            raise TrackingError("no space")
        return append(journal, kind, *arguments, **facts)

    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(TrackingError, match="no space"):
        Recorder(TrackingConfig(), project / "mine").__enter__()
    assert list((project / "mine").iterdir()) == []
    assert store.client.search_runs([store.experiment_id]) == []


def test_a_folder_whose_run_goes_on_is_not_used_by_another(store: Store, project: Path) -> None:
    refused = pytest.raises(TrackingError, match="another process writes it; its run goes on")
    with Recorder(TrackingConfig(), project / "mine"), refused:
        Recorder(TrackingConfig(), project / "mine").__enter__()
    assert len(store.client.search_runs([store.experiment_id])) == 1


def test_checkpoints_and_networks_of_an_earlier_run_are_put_aside_and_nothing_else(store: Store, project: Path) -> None:
    mine = project / "mine"
    for name in ("checkpoints", "model", "model-6", "model-zoo", "notes"):
        (mine / name).mkdir(parents=True)
    put_aside(mine)
    (aside,) = (mine / "earlier").iterdir()
    assert sorted(path.name for path in aside.iterdir()) == ["checkpoints", "model", "model-6"]
    assert sorted(path.name for path in mine.iterdir()) == ["earlier", "model-zoo", "notes"]
    put_aside(mine)
    assert len([*(mine / "earlier").iterdir()]) == 1, "nothing was left to put aside"


def test_a_failure_is_put_aside_when_the_run_goes_on(store: Store, project: Path, new_recorder: NewRecorder) -> None:
    with pytest.raises(OSError, match="gone"), new_recorder() as first:
        raise OSError("gone")
    with Recorder(TrackingConfig(), project / "outputs" / "1", resume=first.run_id):
        pass
    tags = store.client.get_run(first.run_id).data.tags
    assert (tags["error"], tags["resume.1.error"]) == ("", "OSError: gone")


def test_a_failure_that_the_journal_does_not_know_goes_when_the_run_goes_on(
    store: Store, project: Path, new_recorder: NewRecorder
) -> None:
    with new_recorder() as first:
        pass
    store.client.set_tag(first.run_id, "error", "TrackingError: the disk is full")
    with Recorder(TrackingConfig(), project / "outputs" / "1", resume=first.run_id):
        pass
    assert "error" not in store.client.get_run(first.run_id).data.tags


def test_a_run_whose_files_only_mlflow_has_any_more_goes_on(
    store: Store, project: Path, new_recorder: NewRecorder
) -> None:
    with new_recorder() as first:
        for text in ("one", "two"):
            first.log_text(text, "note.txt")
        first.log_text("same", "other.txt")
    shutil.rmtree(project / "outputs" / "1" / "artifacts")
    with Recorder(TrackingConfig(), project / "outputs" / "1", resume=first.run_id) as again:
        again.log_text("TWO", "note.txt")
    assert again.in_step
    for name, text in (("note.txt", "TWO"), ("other.txt", "same")):
        assert Path(store.client.download_artifacts(first.run_id, name)).read_text() == text
