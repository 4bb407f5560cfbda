"""Runs that are killed with SIGKILL at some point and gone on with: is the end the same, bit for bit?"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from cifar.durable import read_folder
from cifar.snapshots import FILES, decode
from experiments.tracking.config import TrackingConfig
from experiments.tracking.store import open_store
from tests.soak.row import Row

ROOT = Path(__file__).resolve().parents[2]
MORTAL = Path(__file__).with_name("mortal.py")

POINTS = 20

ARGV = (
    "data=sample", "data.train_size=400", "data.validation_size=100", "data.test_size=20", "model.filters=4",
    "model.dense_units=16", "compute=cpu", "training.epochs=6", "optimizer.learning_rate=0.003",
)  # fmt: skip
"""A run of six epochs with dropout."""

TIMES = ("seconds", "images_per_second", "training_seconds")
"""Metrics that no run has to repeat; those of the machine too."""

_IDS = "SELECT run_uuid, status FROM runs"
_METRICS = "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY key, step, value"


RESUMED = "resumed.txt"
"""In the folder of a training alone: after which epoch it went on."""


@dataclass(frozen=True)
class Kill:
    """One kill: where (`fsync 17`), whether the training was still alive, how many epochs the next one went on from."""

    at: str
    killed: bool
    resumed: int


@dataclass(frozen=True)
class Ended:
    """What a run has come to.

    Attributes:
        statuses: of all of MLflow's runs, by id.
        metrics: (name, step, value) of each value that MLflow has but times; a doubled one is there twice.
        weights: SHA-256 of the arrays of the last checkpoint, and of the predictions of the network that was recorded.
        history: of each epoch, without times.
    """

    statuses: dict[str, str]
    metrics: list[tuple[Any, ...]]
    weights: tuple[str, str]
    history: list[dict[str, float]]
    epochs: int

    @classmethod
    def read(cls, project: Path) -> Ended:
        """Reads the only run of a project."""
        with closing(sqlite3.connect(project / "mlflow.db")) as database:
            statuses = dict(database.execute(_IDS).fetchall())
            metrics = [row for run_id in statuses for row in database.execute(_METRICS, (run_id,)).fetchall()]
        (run,) = (project / "outputs").iterdir()
        last = max((run / "checkpoints").glob("epoch-*"))
        snapshot = decode(read_folder(last, FILES))
        arrays = [*snapshot.weights, *snapshot.optimizer]
        with np.load(run / "artifacts" / "predictions" / "test_predictions.npz") as kept:
            predicted = kept["probabilities"].tobytes()
        return cls(
            statuses,
            [row for row in metrics if row[0] not in TIMES and not row[0].startswith("system/")],
            (hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest(), hashlib.sha256(predicted).hexdigest()),
            [{name: value for name, value in epoch.items() if name not in TIMES} for epoch in snapshot.history],
            snapshot.epoch,
        )

    def equals(self, other: Ended) -> bool:
        """Whether both have one run, finished, with the same bits and the same values."""
        same = all(getattr(self, name) == getattr(other, name) for name in ("metrics", "weights", "history"))
        return same and [*self.statuses.values()] == [*other.statuses.values()] == ["FINISHED"]


class Trainings:
    """A process that has imported TensorFlow and MLflow and forks a training, or a command, whenever it is asked to."""

    def __enter__(self) -> Trainings:
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, str(MORTAL)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # it ends with its input
        self._errors.close()

    def run(self, folder: Path, fault: tuple[str, int] | None = None) -> dict[str, Any]:
        """Train in this folder, until a fault if one is given.

        Returns:
            Whether it was killed, how long it lived and after which epoch it went on; and its result if it was not.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESUMED).unlink(missing_ok=True)
        done = self._ask(folder=str(folder), argv=None, fault=fault, seconds=None, signal=signal.SIGKILL)
        if done["code"] not in (0, -signal.SIGKILL):
            raise self._failure()
        done["killed"] = done["code"] != 0
        done["resumed"] = int((folder / RESUMED).read_text()) if (folder / RESUMED).exists() else 0
        return done if done["killed"] else done | json.loads((folder / "result.json").read_text(encoding="utf-8"))

    def command(
        self,
        project: Path,
        *argv: str,
        fault: tuple[str, int] | None = None,
        seconds: float | None = None,
        signum: int = signal.SIGKILL,
    ) -> int:
        """Type a command in this folder, until a fault or for so many seconds; returns its exit code."""
        asked = self._ask(folder=str(project), argv=argv, fault=fault, seconds=seconds, signal=signum)
        return int(asked["code"])

    def _ask(self, **job: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise self._failure()
        done: dict[str, Any] = json.loads(answer)
        return done

    def _failure(self) -> RuntimeError:
        self._errors.seek(0)
        return RuntimeError(self._errors.read())


def killed_again_and_again(
    trainings: Trainings, folder: Path, faults: Sequence[tuple[str, int]]
) -> tuple[list[Kill], dict[str, Any]]:
    """Kill a training at each fault, each time it has gone on from the kill before; then it comes to its end."""
    lives = [trainings.run(folder, fault) for fault in [*faults, None]]
    kills = [
        Kill(f"{name} {number}", life["killed"], after["resumed"])
        for (name, number), (life, after) in zip(faults, pairwise(lives), strict=True)
    ]
    return kills, lives[-1]


def new_project(folder: Path, database: Path) -> Path:
    """A working folder with a copy of an empty database."""
    folder.mkdir(parents=True)
    shutil.copy(database, folder / "mlflow.db")
    return folder


def run_of(project: Path) -> str:
    """The folder of the only run of a project, as it is typed there; empty if there is none yet."""
    found = [*(project / "outputs").glob("*/journal.jsonl")]
    return str(found[0].parent.relative_to(project)) if found else ""


def survives(trainings: Trainings, project: Path, whole: Ended, **kill: Any) -> bool:
    """Kill a run, go on with it, and say whether it came to the same as the `whole` one that was never killed."""
    trainings.command(project, *ARGV, **kill)
    run = run_of(project)
    for unborn in (project / "outputs").glob("*") if not run else ():
        shutil.rmtree(unborn)  # killed before its journal began: nobody was told of it
    code = trainings.command(project, f"resume={run}") if run else trainings.command(project, *ARGV)
    return code == 0 and Ended.read(project).equals(whole)


def never_killed(trainings: Trainings, project: Path) -> tuple[Ended, dict[str, int]]:
    """What a run comes to that is left alone, and how often it passed each of the faults."""
    if trainings.command(project, *ARGV) != 0:
        raise RuntimeError((project / "output.txt").read_text())
    return Ended.read(project), json.loads((project / "faults.json").read_text())


def points(faults: dict[str, int], seconds: float, number: int, seed: int) -> Iterator[dict[str, Any]]:
    """So many random places to kill a run: in turn at some fault, inside the checkpoint write too, and at some time."""
    chance = random.Random(seed)
    found = [(name, count) for name, total in sorted(faults.items()) for count in range(1, total + 1)]
    for point in range(number):
        yield {"seconds": chance.uniform(0, seconds)} if point % 2 else {"fault": chance.choice(found)}


def rows() -> Iterator[Row]:
    """Kills of whole commands, recorded in MLflow on SQLite, that then go on."""
    with tempfile.TemporaryDirectory() as name, Trainings() as trainings:
        yield kills(trainings, Path(name), empty_database(Path(name, "empty")))


def kills(trainings: Trainings, folder: Path, database: Path, number: int = POINTS, seed: int = 0) -> Row:
    """Kill so many runs at random points, each in a project of its own; counts those that came to another end."""
    began = time.perf_counter()
    whole, faults = never_killed(trainings, new_project(folder / "whole", database))
    seconds, lost = time.perf_counter() - began, 0
    for count, point in enumerate(points(faults, seconds, number, seed)):
        lost += not survives(trainings, new_project(folder / str(count), database), whole, **point)
    what = f"kill -9 at {number} random points of a run of {whole.epochs} epochs, then resume="
    return Row(what, number, lost, time.perf_counter() - began)


def empty_database(folder: Path) -> Path:
    """A database of MLflow's without runs, which takes seconds to make."""
    folder.mkdir()
    before = Path.cwd()
    os.chdir(folder)
    try:
        open_store(TrackingConfig())
    finally:
        os.chdir(before)
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it in the one file that is copied
    return folder / "mlflow.db"
