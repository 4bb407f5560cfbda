"""Trainings that are killed with SIGKILL at some point and gone on with: is the end the same, bit for bit?"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

MORTAL = Path(__file__).with_name("mortal.py")


@dataclass(frozen=True)
class Kill:
    """One kill: where (`fsync 17`, or after so many seconds), whether the training was still alive, how many epochs it
    went on from, and whether it ended with the weights, metrics and best epoch of one that was never killed."""

    at: str
    killed: bool
    resumed: int
    equal: bool


class Trainings:
    """A process that has imported TensorFlow and forks a training of six epochs whenever it is asked to."""

    def __enter__(self) -> Trainings:
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, str(MORTAL)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # it ends with its input
        self._errors.close()

    def run(self, folder: Path, fault: tuple[str, int] | None = None, seconds: float | None = None) -> dict[str, Any]:
        """Train in this folder, until a fault or for so many seconds if one is given.

        Returns:
            Whether it was killed and how long it lived; and its result if it was not.
        """
        folder.mkdir(parents=True, exist_ok=True)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"folder": str(folder), "fault": fault, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._errors.seek(0)
            raise RuntimeError(self._errors.read())
        done: dict[str, Any] = json.loads(answer)
        return done if done["killed"] else done | json.loads((folder / "result.json").read_text(encoding="utf-8"))


def kill_and_go_on(
    trainings: Trainings,
    folder: Path,
    whole: dict[str, Any],
    fault: tuple[str, int] | None = None,
    seconds: float | None = None,
) -> Kill:
    """Kill a training of its own, let it go on, and compare it with the `whole` one that was never killed."""
    first = trainings.run(folder, fault, seconds)
    second = trainings.run(folder)
    equal = all(second[name] == whole[name] for name in ("weights", "history", "best_epoch"))
    at = f"{fault[0]} {fault[1]}" if fault else f"{seconds:.3f} s"
    return Kill(at, first["killed"], second["resumed"], equal)


def kills(trainings: Trainings, folder: Path, points: int = 20, seed: int = 0) -> list[Kill]:
    """Kill a training at each of so many random points: in turn at some fault and after some time."""
    chance = random.Random(seed)
    whole = trainings.run(folder / "whole")
    found = [(name, number) for name, total in whole["faults"].items() for number in range(1, total + 1)]
    rows = []
    for point in range(points):
        at: dict[str, Any] = {"fault": chance.choice(found)}
        if point % 2:
            at = {"seconds": chance.uniform(0, whole["seconds"])}
        rows.append(kill_and_go_on(trainings, folder / str(point), whole, **at))
    return rows
