"""Who makes the sweep: each as a command of its own in a new folder, from its start to its exit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from benchmarks import machine
from benchmarks.keras_fit import TUNED
from benchmarks.our_sweep import setting_of, typed
from benchmarks.processes import folder_on_the_same_disk, run_to_end
from benchmarks.trials import Setting, SweepTask
from experiments.search.board import best_trial
from experiments.search.history import History
from experiments.search.ledger import read_ledger

SAME_FOR_ALL = {"CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow", "MLFLOW_TRACKING_URI": ""}
"""Environment variables: processors only, and no store of the user's."""


class UnequalWorkError(RuntimeError):
    """A contender tried other settings than the others, so that its time says nothing."""


@dataclass(frozen=True)
class Pass:
    """One sweep: its wall-clock, and what shows that the work was done."""

    seconds: float
    finished: int
    best_val_accuracy: float | None


class Contender(Protocol):
    """Something that sweeps."""

    def sweep(self, task: SweepTask, settings: Sequence[Setting]) -> Pass:
        """Try these settings.

        Raises:
            RuntimeError: the command failed.
            UnequalWorkError: it tried others.
        """


@dataclass(frozen=True)
class Ours:
    """`python -m experiments.sweep`, recorded in MLflow as always; `more` is typed too."""

    more: tuple[str, ...] = ()

    def sweep(self, task: SweepTask, settings: Sequence[Setting]) -> Pass:
        """See `Contender`."""
        with folder_on_the_same_disk() as folder:
            arguments = [*typed(task, Path(folder, "conf")), *self.more]
            ended = run_to_end("experiments.sweep", arguments, folder, SAME_FOR_ALL)
            (sweep,) = Path(folder, "sweeps").iterdir()
            return pass_of(read_ledger(sweep), ended.seconds, settings)


def pass_of(history: History, seconds: float, settings: Sequence[Setting]) -> Pass:
    """What the ledger of a sweep says of it."""
    assert history.sweep is not None
    refuse_others([setting_of(trial) for trial in history.trials], settings)
    best = best_trial(history.trials, history.sweep.objective)
    finished = sum(trial.state == "finished" for trial in history.trials)
    return Pass(seconds, finished, None if best is None else best.score)


@dataclass(frozen=True)
class PlainScript:
    """A script as the users of a library write it, such as `plain_tuner`; tuned, where it takes more steps a call."""

    module: str
    steps_per_execution: int = 1

    @property
    def environment(self) -> dict[str, str]:
        """What else its user sets."""
        return TUNED if self.steps_per_execution > 1 else {}

    def sweep(self, task: SweepTask, settings: Sequence[Setting]) -> Pass:
        """See `Contender`."""
        told = {"task": asdict(task), "settings": settings, "steps_per_execution": self.steps_per_execution}
        with folder_on_the_same_disk() as folder:
            Path(folder, "task.json").write_text(json.dumps(told), encoding="utf-8")
            ended = run_to_end(self.module, ["task.json", "result.json"], folder, SAME_FOR_ALL | self.environment)
            found = json.loads(Path(folder, "result.json").read_text(encoding="utf-8"))
        refuse_others(found["tried"], settings)
        return Pass(ended.seconds, found["finished"], found["best_val_accuracy"])


def refuse_others(tried: Sequence[Setting], settings: Sequence[Setting]) -> None:
    """Compare what was tried with what was to be tried.

    Raises:
        UnequalWorkError: they differ.
    """
    if list(tried) != list(settings):
        raise UnequalWorkError(f"other settings were tried: {tried}; expected {settings}")


CONTENDERS: dict[str, Contender] = {
    "workers": Ours(),
    "one_process": Ours(("workers.count=1", f"compute.threads={machine.cores()}")),
    "keras_tuner": PlainScript("benchmarks.plain_tuner"),
    "keras_tuner_50": PlainScript("benchmarks.plain_tuner", steps_per_execution=50),
    "optuna": PlainScript("benchmarks.plain_optuna"),
}

NEEDS = {"optuna": "optuna"}
"""The package without which a contender is left out."""
