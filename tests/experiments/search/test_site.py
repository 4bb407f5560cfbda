from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from experiments.search import site as module
from experiments.search.records import Trial
from experiments.search.site import (
    OUTCOME_FILE,
    Site,
    read_outcome,
    reference_in,
    wait_for_predecessor,
    write_outcome,
)
from experiments.search.workers import Outcome
from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import Journal
from experiments.tracking.recorder import Recorder

OUTCOME = Outcome(0.5, (0.25, 0.5), "too low", {"folder": "trials/0001", "test_accuracy": 0.4})


def test_trials_and_final_trainings_have_folders_apart_by_their_numbers(tmp_path: Path) -> None:
    site = Site(tmp_path, "a sweep", tmp_path, TrackingConfig())
    assert site.folder(7) == site.folder_of(Trial(7, {}, {})) == tmp_path / "trials" / "0007"
    assert site.folder(7, final=True) == site.folder_of(Trial(7, {}, {}, of="winner")) == tmp_path / "finals" / "0007"
    assert site.folder(12345) == tmp_path / "trials" / "12345"


def test_what_came_of_a_trial_is_read_as_it_was_left(tmp_path: Path) -> None:
    assert read_outcome(tmp_path) is None
    write_outcome(tmp_path, OUTCOME)
    assert read_outcome(tmp_path) == OUTCOME
    assert [path.name for path in tmp_path.iterdir()] == [OUTCOME_FILE]
    assert json.loads((tmp_path / OUTCOME_FILE).read_text(encoding="utf-8"))["score"] == 0.5


def test_a_process_that_dies_while_it_writes_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_outcome(tmp_path, OUTCOME)

    def die(*_: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        write_outcome(tmp_path, Outcome(0.9))
    assert read_outcome(tmp_path) == OUTCOME


def test_where_nobody_writes_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    began = time.monotonic()
    wait_for_predecessor(tmp_path / "nowhere")
    Journal(tmp_path).close()
    wait_for_predecessor(tmp_path)
    assert time.monotonic() - began < module.PAUSE


def test_a_process_that_still_trains_is_waited_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    threading.Timer(0.3, journal.close).start()
    began = time.monotonic()
    wait_for_predecessor(tmp_path)
    assert 0.25 < time.monotonic() - began < 5


def test_an_earlier_attempt_is_known_by_what_its_journal_begins_with(database: Path, project: Path) -> None:
    assert reference_in(project / "a") is None
    with Recorder(TrackingConfig(), project / "a", "first") as first:
        identity = json.loads((project / "a" / "journal.jsonl").read_text(encoding="utf-8").splitlines()[0])["id"]
    assert reference_in(project / "a") == f"journal-{identity}"
    with Recorder(TrackingConfig(), project / "a", resume=reference_in(project / "a")) as second:
        assert second.run_id == first.run_id
