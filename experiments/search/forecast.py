"""How long a sweep will take: its trials and final trainings, shared out among workers whose speed is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import heapreplace

from cifar.config import RunConfig
from experiments.search.config import WorkersConfig
from experiments.search.machine import count_workers, gpus
from experiments.search.preview import Foreseen
from experiments.search.records import Limits
from experiments.speed import Speed

# Measured with trials of two epochs of 64 images, model1 with few filters, on a machine that others used too; so in
# processor seconds of all processes, on two cores: 36 for 2 trials, 54 for 8, and 77 for 8 and 4 final trainings.
START_SECONDS = 20.0
"""Of a sweep: its record in MLflow, workers that import TensorFlow, pictures in the end. 30 processor seconds."""

TRIAL_SECONDS = 3.0
"""Of a trial beside its epochs: its record, and a network that is traced."""

FINAL_SECONDS = 5.0
"""Of a final training beside its epochs: the test images and pictures too."""


@dataclass(frozen=True)
class Crew:
    """Who would train.

    Attributes:
        workers: trials at a time.
        processes: how many of them are imitated here, to time them.
        words: who they are.
    """

    workers: int
    processes: int
    words: str


@dataclass(frozen=True)
class Forecast:
    """Seconds of the search, and of the final trainings at most; how many trials there would be, how many begun."""

    search: float
    finals: float
    trials: int
    begun: int


def crew_of(config: WorkersConfig, device: str, trials: int) -> Crew:
    """The workers of a sweep. More of them than cores share those, and more than trials have nothing to do."""
    if config.address is not None:
        count = config.count or 1
        more = "" if config.count else ", more take less"
        return Crew(count, 1, f"with {_plural(count)} as fast as this machine, where it was timed{more}")
    count, most = count_workers(config, device), count_workers(replace(config, count=None), device)
    words = f"with {_plural(count)} on this machine"
    if gpus(device):
        return Crew(min(count, most), 1, f"{words}, timed with one")
    busy = min(count, most, trials)
    return Crew(busy, busy, words)


def forecast(
    trials: Sequence[Foreseen], default: RunConfig, limits: Limits, speed: Callable[[RunConfig], Speed], workers: int
) -> Forecast:
    """Add up what a sweep does, if nothing fails and each trial goes on to its end.

    Args:
        trials: of its search.
        default: what its winner is compared with; for the winner the dearest trial is taken.
        limits: how far it goes.
        speed: of a run's training.
        workers: how many train at a time.
    """
    seconds = [TRIAL_SECONDS + _training(trial.run, trial.epochs, speed) for trial in trials]
    longest = limits.max_minutes * 60 if limits.max_minutes is not None else float("inf")
    search, begun = shared_out(seconds, workers, longest)
    finals, _ = shared_out(_finals(trials, default, limits, speed), workers)
    return Forecast(START_SECONDS + search, finals, len(trials), begun)


def shared_out(seconds: Iterable[float], workers: int, longest: float = float("inf")) -> tuple[float, int]:
    """When the last one ends, if each begins as soon as a worker is free, but not after `longest`; how many begin."""
    free, last, begun = [0.0] * workers, 0.0, 0
    for each in seconds:
        if free[0] >= longest:
            break
        end = free[0] + each
        heapreplace(free, end)
        last, begun = max(last, end), begun + 1
    return last, begun


def in_words(found: Forecast, crew: Crew, limits: Limits) -> str:
    """All of it in a line."""
    finals = f"at most {roughly(found.finals)} the final trainings" if found.finals else "no final trainings"
    ends = ""
    if limits.max_minutes is not None:
        some = f": {found.begun} of {found.trials} will" if found.begun < found.trials else ""
        ends = f"; no trial begins after sweep.max_minutes={limits.max_minutes:g}{some}"
    return (
        f"about {roughly(found.search + found.finals)} {crew.words} ({roughly(found.search)} the search, {finals}); "
        f"trials that are pruned, fail or are reused take less{ends}"
    )


def roughly(seconds: float) -> str:
    """Seconds with no more digits than an estimate has: 25 s, 12 min, 3 h 20 min, 4 days."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(10 * round(seconds / 600), 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(seconds / 86_400)} days"


def _finals(
    trials: Sequence[Foreseen], default: RunConfig, limits: Limits, speed: Callable[[RunConfig], Speed]
) -> list[float]:
    """Seconds of each of the final trainings, in their order."""
    if not limits.final_seeds:
        return []
    winner = max(_training(trial.run, trial.run.training.epochs, speed) for trial in trials)
    both = [winner, _training(default, default.training.epochs, speed)]
    return [FINAL_SECONDS + each for each in both * limits.final_seeds]


def _training(run: RunConfig, epochs: int, speed: Callable[[RunConfig], Speed]) -> float:
    seconds = epochs * speed(run).epoch(run)
    return seconds if run.training.max_minutes is None else min(seconds, run.training.max_minutes * 60)


def _plural(count: int) -> str:
    return f"{count} worker" if count == 1 else f"{count} workers"
