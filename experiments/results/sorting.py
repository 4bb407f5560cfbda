"""Puts the runs of a store into heaps: trainings to rank, sweeps with their trials, those that did not finish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from experiments.tracking.reading import RecordedRun

GOING_ON = ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class SweepRuns:
    """A sweep with what was recorded below it; `run` is its own, None where that was deleted or not asked for."""

    name: str
    run: RecordedRun | None
    trials: tuple[RecordedRun, ...]


@dataclass(frozen=True)
class Heaps:
    """All runs that were read.

    Attributes:
        trainings: finished ones that are neither trials of a sweep nor pruned: what a leaderboard ranks.
        trials: finished trials of sweeps that were not pruned.
        pruned: trainings that were stopped early because others did better.
        sweeps: the newest first.
        going_on: trainings, sweeps and multiruns that were not ended yet.
        failed: those that failed or were killed.
        multiruns: how many runs only hold others together.
        others: how many runs are of other projects.
    """

    trainings: tuple[RecordedRun, ...]
    trials: tuple[RecordedRun, ...]
    pruned: tuple[RecordedRun, ...]
    sweeps: tuple[SweepRuns, ...]
    going_on: tuple[RecordedRun, ...]
    failed: tuple[RecordedRun, ...]
    multiruns: int
    others: int


def sort(runs: Iterable[RecordedRun]) -> Heaps:
    """Every run into the heap that it belongs to."""
    runs = list(runs)
    holders = [run for run in runs if is_sweep(run) or is_multirun(run)]
    trainings = [run for run in runs if "model.name" in run.params and not is_sweep(run) and not is_multirun(run)]
    finished = [run for run in trainings if run.status == "FINISHED"]
    ours = [*trainings, *holders]
    return Heaps(
        trainings=tuple(run for run in finished if not is_trial(run) and not is_pruned(run)),
        trials=tuple(run for run in finished if is_trial(run) and not is_pruned(run)),
        pruned=tuple(run for run in finished if is_pruned(run)),
        sweeps=tuple(_sweeps(runs)),
        going_on=tuple(run for run in ours if run.status in GOING_ON),
        failed=tuple(run for run in ours if run.status not in (*GOING_ON, "FINISHED")),
        multiruns=sum(map(is_multirun, runs)),
        others=len(runs) - len(ours),
    )


def is_sweep(run: RecordedRun) -> bool:
    """Whether it is the one that trials are recorded below."""
    return "sweep.space" in run.params


def is_multirun(run: RecordedRun) -> bool:
    """Whether it only holds the jobs of a multirun together."""
    return "multirun.jobs" in run.tags


def is_trial(run: RecordedRun) -> bool:
    """Whether a sweep proposed it; the trainings that a sweep ends with are none."""
    return "sweep.trial" in run.tags


def is_pruned(run: RecordedRun) -> bool:
    """Whether it was stopped because others did better."""
    return "sweep.pruned" in run.tags or run.tags.get("stop_reason") == "pruned"


def _sweeps(runs: Iterable[RecordedRun]) -> Iterable[SweepRuns]:
    own: dict[str, RecordedRun] = {}
    trials: dict[str, list[RecordedRun]] = {}
    for run in runs:
        if is_sweep(run):
            own[run.run_id] = run
        elif is_trial(run):
            trials.setdefault(run.parent or _name(run.tags), []).append(run)
    for key in dict.fromkeys([*own, *trials]):
        below = tuple(trials.get(key, ()))
        yield SweepRuns(own[key].name if key in own else _name(below[0].tags), own.get(key), below)


def _name(tags: Mapping[str, str]) -> str:
    return tags.get("sweep", "a sweep")
