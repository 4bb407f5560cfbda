"""A disk that is full, a folder that becomes read-only, a clock that is set back: in the middle of a run."""

from __future__ import annotations

import os
import re
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cifar.checkpoints import Checkpoints
from cifar.durable import read_folder
from cifar.snapshots import FILES
from experiments.sync import main as sync
from experiments.tracking.journal import JOURNAL_FILE, Entry, Journal, read_journal
from experiments.tracking.recorder import Recorder
from tests.disks import unprivileged
from tests.soak.kills import run_of

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu", "database", "empty_pictures")

Run = Callable[..., int]
ROOM = 6_000_000
"""Bytes that a file may have when the disk is full: enough for MLflow's, too few for the weights of `LARGE`."""
LARGE = ("model.filters=64", "model.dense_units=4096")


@pytest.fixture
def fails(
    project: Path, exit_code: Run, tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[Path, str]]:
    """Runs a command that is to end with exit code 2; returns the run's folder and its line for the user."""

    def run(*argv: str) -> tuple[Path, str]:
        argv = (*tiny, "compute=cpu", "training.epochs=4", "tracking.log_model=false", *argv)
        assert exit_code(*argv) == 2
        printed = capsys.readouterr()
        (line,) = printed.err.splitlines()
        folder = run_of(project)
        assert printed.out.splitlines()[-1] == f"to go on: python -m experiments.run resume={folder}"
        return project / folder, line

    return run


def query(sql: str) -> list[Any]:
    with closing(sqlite3.connect("mlflow.db")) as database:
        return database.execute(sql).fetchall()


def check_goes_on(folder: Path, exit_code: Run) -> None:
    """It was recorded as failed, and resumed it comes to its end without doubles."""
    assert query("SELECT status FROM runs") == [("FAILED",)]
    assert exit_code(f"resume={folder}") == 0
    assert query("SELECT status FROM runs") == [("FINISHED",)]
    assert query("SELECT step FROM metrics WHERE key = 'loss' ORDER BY step") == [(1,), (2,), (3,), (4,)]
    assert query("SELECT value FROM tags WHERE key = 'error'") in ([], [("",)]), "it is finished now"


@pytest.fixture
def full_after_two_epochs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """The disk takes no large files any more; returns what makes room again."""
    limits, log_epoch = resource.getrlimit(resource.RLIMIT_FSIZE), Recorder.log_epoch

    def fill(recorder: Recorder, epoch: int, *arguments: Any) -> None:
        log_epoch(recorder, epoch, *arguments)
        if epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, limits[1]))

    def free() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        monkeypatch.setattr(Recorder, "log_epoch", log_epoch)

    monkeypatch.setattr(Recorder, "log_epoch", fill)
    yield free
    free()


def test_a_disk_too_full_for_a_checkpoint(
    fails: Callable[..., tuple[Path, str]], exit_code: Run, full_after_two_epochs: Callable[[], None]
) -> None:
    folder, line = fails(*LARGE)
    full_after_two_epochs()
    where = rf"error: {folder}/checkpoints/epoch-0003: cannot be written \(File too large\)"
    assert re.match(rf"{where}: [1-9][\d,]{{9,}} bytes, [\d,]+ are free\. Make room, or train without", line)
    assert sorted(path.name for path in (folder / "checkpoints").iterdir())[-1] == "epoch-0002"
    assert not [*(folder / "checkpoints").glob("unfinished*")], "no part of it is left"
    assert read_folder(folder / "checkpoints" / "epoch-0002", FILES)
    check_goes_on(folder, exit_code)


def test_a_disk_too_full_for_the_journal(
    fails: Callable[..., tuple[Path, str]], exit_code: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Journal.append

    def full(journal: Journal, kind: str, *arguments: Any, **facts: Any) -> Entry:
        if kind == "metrics" and facts["values"][0].step == 2:
            os.dup2(os.open("/dev/full", os.O_RDWR), journal._file)
        return append(journal, kind, *arguments, **facts)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        folder, line = fails()
    where = rf"error: {folder}/journal\.jsonl: the run's journal cannot be written \(No space left on device\)"
    assert re.match(rf"{where}: [\d,]+ bytes, [\d,]+ are free\. Free some space", line)
    check_goes_on(folder, exit_code)


def test_a_folder_that_becomes_read_only(
    fails: Callable[..., tuple[Path, str]], exit_code: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Checkpoints.save

    def locked(checkpoints: Checkpoints, snapshot: Any) -> None:
        if snapshot.epoch < 3:
            return save(checkpoints, snapshot)
        checkpoints.folder.chmod(0o555)
        try:
            with unprivileged():
                return save(checkpoints, snapshot)
        finally:
            checkpoints.folder.chmod(0o700)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", locked)
        folder, line = fails()
    assert line.startswith(f"error: {folder}/checkpoints/epoch-0003: cannot be written (Permission denied): ")
    check_goes_on(folder, exit_code)


def test_a_clock_that_is_set_back_an_hour_changes_no_order(
    project: Path, exit_code: Run, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    log_epoch, clock = Recorder.log_epoch, time.time_ns

    def set_back(recorder: Recorder, epoch: int, *arguments: Any) -> None:
        if epoch == 2:
            monkeypatch.setattr(time, "time_ns", lambda: clock() - 3600 * 10**9)
        log_epoch(recorder, epoch, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "log_epoch", set_back)
        assert exit_code(*tiny, "compute=cpu", "training.epochs=3", "tracking.log_model=false") == 0
    folder = run_of(project)
    assert exit_code(f"resume={folder}", "training.epochs=4") == 0, "and then resumed"
    entries = read_journal(project / folder / JOURNAL_FILE)
    times = [entry.at for entry in entries]
    assert [entry.seq for entry in entries] == [*range(1, len(entries) + 1)]
    assert times == sorted(times)
    ((began, ended, status),) = query("SELECT start_time, end_time, status FROM runs")
    assert (0 <= ended - began < 600_000, status) == (True, "FINISHED")
    assert query("SELECT step FROM metrics WHERE key = 'loss' ORDER BY step") == [(1,), (2,), (3,), (4,)]
    assert query("SELECT step FROM latest_metrics WHERE key = 'loss'") == [(4,)]
    before = query("SELECT * FROM metrics ORDER BY key, step, timestamp")
    assert sync([]) == 0
    assert sync([]) == 0
    assert query("SELECT * FROM metrics ORDER BY key, step, timestamp") == before
