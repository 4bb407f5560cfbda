"""What is in a store: all runs of all experiments, page by page, and what it lacks of journals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.tracking import census
from experiments.tracking.census import Journals, take
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError, UnreachableError
from experiments.tracking.store import Store


def test_every_run_is_there_once_the_newest_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "PAGE", 2)
    for number in range(5):
        store.client.create_run(store.experiment_id, 1000 + number, run_name=str(number))
    store.client.create_run("0", 1002, run_name="default")
    heard: list[int] = []
    found = take(store.uri, heard.append)
    assert found is not None
    assert [run.info.run_name for run in found.runs[:2]] == ["4", "3"]
    assert sorted(run.info.run_name for run in found.runs) == ["0", "1", "2", "3", "4", "default"]
    assert (heard, found.experiments) == ([1, 2, 3, 4, 5, 6], {"1": "cifar10", "0": "Default"})


@pytest.mark.parametrize("content", [None, ""])
def test_a_database_that_is_not_there_or_empty_is_not_made(project: Path, content: str | None) -> None:
    if content is not None:
        Path("mlflow.db").write_text(content)
    assert take("sqlite:///mlflow.db") is None
    assert not Path("mlflow.db").exists() or Path("mlflow.db").read_text() == ""


def test_what_cannot_be_used_is_an_error_of_one_line(project: Path, impatient: None) -> None:
    Path("mlflow.db").write_text("no database" * 1000)
    with pytest.raises(TrackingError, match="cannot be read as a database"):
        take("sqlite:///mlflow.db")
    with pytest.raises(UnreachableError, match="Connection refused"):
        take("http://127.0.0.1:9")


def test_a_run_that_a_store_lacks_a_part_of_is_told(
    store: Store, new_recorder: Callable[..., Recorder], project: Path
) -> None:
    for name in ("whole", "unsealed", "deleted", "away"):
        with new_recorder(run_name=name) as recorder:
            recorder.log_epoch(1, {"loss": 1.0})
        if name == "unsealed":
            store.client.delete_tag(recorder.run_id, "journal.seq")
        if name == "deleted":
            store.client.delete_run(recorder.run_id)
    journal = project / "outputs" / "4" / "journal.jsonl"
    journal.write_text(journal.read_text().replace("sqlite:///mlflow.db", "http://away"))
    journals = Journals.below([Path("outputs")])
    found = take(store.uri)
    assert found is not None
    assert [item.source.name for item in found.incomplete(journals, "sqlite:///mlflow.db")] == ["unsealed"]
    with new_recorder(run_name="at work"):
        again = Journals.below([Path("outputs")])
        assert len(found.incomplete(again, "sqlite:///mlflow.db")) == 1


def test_a_damaged_journal_is_told_and_the_others_are_read(store: Store, new_recorder: Callable[..., Recorder]) -> None:
    for _ in range(2):
        with new_recorder(run_name="one") as recorder:
            recorder.log_epoch(1, {"loss": 1.0})
    path = Path("outputs/1/journal.jsonl")
    path.write_text(path.read_text().replace('"values"', "?", 1))
    journals = Journals.below([Path("outputs")])
    assert journals.damaged == [
        "outputs/1/journal.jsonl: line 2 is damaged; restore the file from a copy, or put it away"
    ]
    assert [item.path for items in journals.readable.values() for item in items] == [Path("outputs/2/journal.jsonl")]
