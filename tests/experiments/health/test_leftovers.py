"""Damaged checkpoints, and what killed processes leave: told, removed where that is safe, left where it is not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from cifar.checkpoints import Checkpoints
from cifar.durable import MANIFEST
from cifar.snapshots import Snapshot
from experiments.health.findings import Finding, Level
from experiments.health.leftovers import IDLE_SECONDS, checkpoints, leftovers
from experiments.tracking.recorder import Recorder

OUTPUTS = [Path("outputs")]
CACHE = Path("cache")


def look() -> list[Finding]:
    return list(leftovers(OUTPUTS, Path("mlflow.db").resolve(), CACHE))


def checked() -> list[Finding]:
    return list(checkpoints(OUTPUTS, lambda doing: None))


def aged(path: Path) -> Path:
    then = time.time() - IDLE_SECONDS - 10
    os.utime(path, (then, then))
    return path


def write(name: str, age: bool = True) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("half")
    return aged(path) if age else path


@pytest.fixture
def trained(project: Path) -> Path:
    """The checkpoints of a training of two epochs."""
    home = project / "outputs" / "1" / "checkpoints"
    for epoch in (1, 2):
        history = [{"loss": 1.0}] * epoch
        Checkpoints(home).save(Snapshot([np.zeros(3)], [np.zeros(3)], history, None, None, 1.0, {}, "0" * 64))
    return home


def test_checkpoints_that_are_as_they_were_written_are_well(trained: Path) -> None:
    (found,) = checked()
    assert (found.level, found.text) == (Level.OK, "the newest checkpoint of 1 training is as it was written")


def test_a_damaged_newest_checkpoint_is_told_and_which_one_a_training_goes_on_from(trained: Path) -> None:
    file = trained / "epoch-0002" / "weights.npz"
    file.write_bytes(file.read_bytes()[:-1])
    (found,) = checked()
    assert found.level is Level.WARNING
    assert found.text.startswith("outputs/1/checkpoints/epoch-0002 is damaged: weights.npz (")
    assert found.advice == "Nothing to do: a training goes on from epoch-0001, which is good"


def test_it_is_a_problem_if_none_is_left_to_go_on_from(trained: Path) -> None:
    for epoch in ("epoch-0001", "epoch-0002"):
        (trained / epoch / MANIFEST).unlink()
    (found,) = checked()
    assert (found.level, found.advice) == (Level.PROBLEM, "None is left to go on from: begin that training anew")


def test_an_older_damaged_checkpoint_is_nobodys_concern(trained: Path) -> None:
    (trained / "epoch-0001" / MANIFEST).unlink()
    assert checked()[0].level is Level.OK


def test_without_trainings_there_is_nothing_to_tell(project: Path) -> None:
    assert [found.level for found in (*checked(), *look())] == [Level.NOTE, Level.OK]


def test_what_killed_runs_left_is_told_and_removed_and_everything_else_stays(project: Path) -> None:
    left = [
        write("outputs/1/result.json.part"),
        write("outputs/1/artifacts/figures/.part.curve.png"),
        write("outputs/1/checkpoints/unfinished-ab12/weights.npz").parent,
        write("outputs/1/tmpab12_xyz/model/MLmodel").parents[1],
    ]
    for folder in left[2:]:
        aged(folder)
    kept = [write("outputs/1/result.json"), write("outputs/1/tmp.txt"), write("outputs/2/new.part", age=False)]
    (found,) = look()
    assert found.level is Level.WARNING
    assert found.text.startswith("4 leftovers (0 kB), left by runs that were killed: outputs/1/")
    assert found.mend is not None
    assert found.mend().startswith("removed outputs/1/")
    assert [path.exists() for path in (*left, *kept)] == [False] * 4 + [True] * 3
    assert look()[0].level is Level.OK


def test_what_a_run_at_work_is_writing_is_left_alone(store: object, new_recorder: Callable[..., Recorder]) -> None:
    with new_recorder(run_name="one"):
        write("outputs/1/artifacts/.part.curve.png")
        assert look()[0].level is Level.OK
    assert look()[0].level is Level.WARNING


@pytest.mark.parametrize(
    ("name", "lock"), [("mlflow.db.new-journal", "mlflow.db.lock"), ("cache/fetch-ab12/archive", "cache/lock")]
)
def test_what_is_written_under_a_lock_is_removed_only_when_nobody_holds_it(project: Path, name: str, lock: str) -> None:
    write(name, age=False)
    with FileLock(lock):
        (found,) = look()
        assert found.level is Level.NOTE
        assert found.text.startswith(f"{(project / lock) if 'db' in lock else lock} is held: a process is writing ")
    (found,) = look()
    assert found.level is Level.WARNING
    assert found.mend is not None
    with FileLock(lock), pytest.raises(TimeoutError):
        found.mend()
    found.mend()
    assert not Path(name).exists()


def test_lock_files_are_no_leftovers(project: Path) -> None:
    write("mlflow.db.lock")
    write("cache/lock")
    assert look()[0].level is Level.OK
