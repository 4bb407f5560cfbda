"""Recorded trainings in, boards out: groups of equal settings over their seeds, ranked with ties, for each data set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from experiments.results.leaderboard import (
    ALWAYS_TELLS,
    TEST,
    Configuration,
    FinishedRun,
    build_leaderboard,
    by_seed,
)
from experiments.results.ranks import Place, Scores, places
from experiments.results.settings import decisive
from experiments.results.statistics import Summary, summarize
from experiments.tracking.reading import KEPT, RecordedRun
from experiments.tracking.words import REAL

BEST_LOSS = "best_val_loss"
SHOWN_FIRST = ("model.name", "optimizer.name", ALWAYS_TELLS)


@dataclass(frozen=True)
class Group:
    """Trainings that are equal but for their seeds.

    Attributes:
        runs: the newest first.
        validation, test, loss: over seeds; None where no run has them. `loss` is of the test images.
        seconds: that a training took, over its runs.
        parameters: of the network.
        looks: how often the test images were looked at, all runs together.
        images: how many validation images there were.
        place: None without a validation accuracy.
    """

    settings: Mapping[str, str]
    runs: tuple[RecordedRun, ...]
    validation: Summary | None
    test: Summary | None
    loss: Summary | None
    seconds: Summary | None
    parameters: int | None
    looks: int
    images: int | None
    place: Place | None = None

    @property
    def model(self) -> str:
        """Which of the networks."""
        return self.settings.get("model.name", "")

    @property
    def n(self) -> int:
        """How many seeds; how many runs, where none was scored."""
        summary = self.validation or self.test
        return summary.n if summary else len(self.runs)


@dataclass(frozen=True)
class Board:
    """All groups that were trained on one data set; `columns` are the settings that tell them apart."""

    data: str
    columns: tuple[str, ...]
    ranked: tuple[Group, ...]
    unranked: tuple[Group, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        """The best first, then those without validation images."""
        return (*self.ranked, *self.unranked)


def boards(runs: Iterable[RecordedRun]) -> list[Board]:
    """A board for each data set, the one of real images first: made-up images are easy, so they never stand beside."""
    sets: dict[str, list[RecordedRun]] = {}
    for run in runs:
        sets.setdefault(run.params.get("data.name", ""), []).append(run)
    return [_board(name, sets[name]) for name in sorted(sets, key=lambda name: (name != REAL, name))]


def _board(data: str, runs: Sequence[RecordedRun]) -> Board:
    recorded = {run.run_id: run for run in runs}
    found = build_leaderboard([finished(run) for run in runs], KEPT)
    ranked = [_group(item, recorded) for item in found.ranked]
    scores = [Scores(by_seed(item.runs, KEPT), group.images) for item, group in zip(found.ranked, ranked, strict=True)]
    return Board(
        data,
        tuple(dict.fromkeys([*SHOWN_FIRST, *found.columns])),
        tuple(Group(**vars(group) | {"place": place}) for group, place in zip(ranked, places(scores), strict=True)),
        tuple(_group(item, recorded) for item in found.unranked),
    )


def finished(run: RecordedRun) -> FinishedRun:
    """The run as a leaderboard takes it: with the settings that decide a result, and the score that it kept."""
    metrics = {**run.metrics, KEPT: run.kept_validation}
    return FinishedRun(run.run_id, run.name, run.status, decisive(run.params), metrics)


def looks_at_test(run: RecordedRun) -> int:
    """How often the test images were looked at; runs of older versions that say nothing looked once if they scored."""
    told = run.tags.get("test_evaluations", "")
    if told.isdecimal():
        return int(told)
    return int(TEST in run.metrics and "reused_from" not in run.tags)


def _group(item: Configuration, recorded: Mapping[str, RecordedRun]) -> Group:
    runs = tuple(recorded[run.run_id] for run in item.runs)
    parameters = [value for run in runs if math.isfinite(value := run.metrics.get("parameters", math.nan))]
    losses = by_seed(item.runs, "test_loss")
    images = item.params.get("data.validation_size", "")
    return Group(
        settings=item.params,
        runs=runs,
        validation=item.validation,
        test=item.test,
        loss=summarize([*losses.values()]) if losses else None,
        seconds=_over_runs(runs, "training_seconds"),
        parameters=round(parameters[0]) if parameters else None,
        looks=sum(map(looks_at_test, runs)),
        images=int(images) if images.isdecimal() else None,
    )


def _over_runs(runs: Iterable[RecordedRun], metric: str) -> Summary | None:
    values = [value for run in runs if math.isfinite(value := run.metrics.get(metric, math.nan))]
    return summarize(values) if values else None
