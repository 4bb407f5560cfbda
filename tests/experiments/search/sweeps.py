"""Sweeps whose trials take no time: a made-up objective, and a process that forks sweeps which die where they are told.

As a script it reads a line of JSON for each sweep: its folder, its tuner, and at which write of its ledger it dies.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from cifar.config import SGD, Adam, RMSprop, RunConfig
from experiments.search.driver import drive
from experiments.search.ledger import open_ledger
from experiments.search.records import Limits, Sweep, Trial
from experiments.search.workers import Here, Job, Outcome, Pool

OPTIMIZERS = (SGD(), Adam(), RMSprop())

SPACE: dict[str, Any] = {
    "name": "made up",
    "search": {
        "optimizer": ["sgd", "adam", "rmsprop"],
        "optimizer.learning_rate": [
            {"when": {"optimizer": "sgd"}, "low": 0.001, "high": 1.0, "sampling": "log"},
            {"when": {"optimizer": ["adam", "rmsprop"]}, "low": 0.0001, "high": 0.01, "sampling": "log"},
        ],
        "optimizer.momentum": {"when": {"optimizer": "sgd"}, "choices": [0.0, 0.9]},
        "model.dense_units": {"low": 32, "high": 512, "sampling": "log", "step": 2},
        "model.dropout_rate": {"low": 0.0, "high": 0.5},
    },
}

SMALL = {"name": "small", "search": {"model.dropout_rate": {"low": 0.0, "high": 0.9}}}

TUNERS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "random": ({"name": "random"}, SPACE, 9),
    "grid": ({"name": "grid", "points_per_range": 2}, SPACE, 9),
    "hyperband": ({"name": "hyperband", "max_epochs": 9}, SPACE, 14),
    "bayesian": ({"name": "bayesian", "initial_points": 3}, SMALL, 5),
}
"""For each tuner a space that suits it, and how many trials are made."""

FINAL_SEEDS = 2
"""Of the sweeps that are forked: two trainings of the winner and two of the default."""


def sweep_of(tuner: str = "random", space: Mapping[str, Any] | None = None, **changes: Any) -> Sweep:
    """A sweep over the defaults of a run, without Hydra."""
    settings, own_space, _ = TUNERS[tuner]
    space = space or own_space
    picked = OPTIMIZERS if "optimizer" in space["search"] else (RMSprop(),)
    bases = [
        {"picks": {"optimizer": item.name} if len(picked) > 1 else {}, "config": asdict(RunConfig(optimizer=item))}
        for item in picked
    ]
    given: dict[str, Any] = {"pruning": {"rule": "none"}, "objective": "val_accuracy", "seed": 0}
    given |= {"default": asdict(RunConfig()), **changes}
    return Sweep(name="a sweep", space=space, tuner=settings, bases=tuple(bases), **given)


def train(job: Job) -> Outcome:
    """Trains nothing: a curve that follows from the settings alone. Some settings fail.

    What a sweep ends with scores a little more with each seed.
    """
    config, rung = job.trial.config, job.trial.rung
    rate = config["optimizer"]["learning_rate"]
    if rate > 0.5:
        raise ArithmeticError(f"the loss is nan at learning rate {rate}")
    best = 1 - config["model"]["dropout_rate"] / 2 - 50 / (50 + config["model"]["dense_units"]) - rate
    begin = rung.initial_epoch if rung else 0
    curve = [best * (1 - 0.5**epoch) for epoch in range(1, config["training"]["epochs"] + 1)]
    if rung and rung.from_trial:
        assert job.origin is not None
        assert job.origin.curve == tuple(curve[:begin])
    for epoch in range(begin + 1, len(curve) + 1):
        if reason := job.bars.verdict(curve[:epoch]):
            return Outcome(max(curve[:epoch]), tuple(curve[:epoch]), reason)
    if job.trial.of:
        return Outcome(max(curve), facts={"test_accuracy": max(curve) + config["seed"] / 1000})
    return Outcome(max(curve), tuple(curve), facts={"folder": f"trials/{job.trial.number}"})


def run_sweep(
    folder: Path, sweep: Sweep, limits: Limits, train: Callable[[Job], Outcome] = train, workers: int = 1
) -> list[Trial]:
    """Begin a sweep or go on with it, here, to its end."""
    with open_ledger(folder) as ledger, ThreadPoolExecutor(workers) as executor:
        ledger.begin(sweep, limits)
        drive(ledger, Pool(executor, train, workers) if workers > 1 else Here(train))
        return ledger.history.trials


@dataclass(frozen=True)
class Death:
    """A sweep dies at a call of os.write or os.fsync, counted from 1: before it, after it, or with half of it done."""

    call: int
    how: str


class Sweeps:
    """A process that has imported keras-tuner and forks a sweep whenever it is asked to."""

    def __enter__(self) -> Sweeps:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # it ends with its input

    def run(self, folder: Path, tuner: str, death: Death | None = None, workers: int = 1) -> dict[str, Any]:
        """Begin or resume a sweep; returns its exit code (negative: a signal) and how many calls it made."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {"folder": str(folder), "tuner": tuner, "death": asdict(death) if death else None, "workers": workers}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def _count_and_die(death: Death | None) -> Callable[[], int]:
    """Has this process count the calls that reach the disk, and die at one of them."""
    calls = 0
    write, fsync = os.write, os.fsync

    def mortal(real: Callable[..., Any], half: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if death is None or calls != death.call:
                return real(*arguments)
            if death.how != "before":
                (half if death.how == "half" else real)(*arguments)
            return os.kill(os.getpid(), signal.SIGKILL)

        return call

    os.write = mortal(write, lambda file, line: write(file, line[: len(line) // 2]))
    os.fsync = mortal(fsync, fsync)
    return lambda: calls


def _child(asked: dict[str, Any]) -> None:
    made = _count_and_die(Death(**asked["death"]) if asked["death"] else None)
    limits = Limits(TUNERS[asked["tuner"]][2], final_seeds=FINAL_SEEDS)
    run_sweep(Path(asked["folder"]), sweep_of(asked["tuner"]), limits, workers=asked["workers"])
    Path(asked["folder"], "calls").write_text(str(made()), encoding="utf-8")


def _serve() -> None:
    import keras_tuner.oracles  # noqa: F401
    import sklearn.gaussian_process  # noqa: F401

    for line in sys.stdin:
        asked = json.loads(line)
        began = time.monotonic()
        child = os.fork()
        if not child:
            try:
                _child(asked)
            except BaseException as error:
                print(repr(error), file=sys.stderr)
                os._exit(1)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        calls = Path(asked["folder"], "calls")
        told = {"code": code, "calls": int(calls.read_text()) if calls.is_file() else 0}
        print(json.dumps({**told, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    _serve()
