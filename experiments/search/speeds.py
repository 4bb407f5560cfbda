"""How fast the networks of a sweep's trials train here: some of them timed, the others told by their work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

from cifar.config import ComputeConfig, ModelConfig, RunConfig
from experiments.search.timing import Stopwatches, TimingError, stopwatches
from experiments.speed import Speed

EACH_SECONDS = 2.0
"""So long each network trains, after a warm-up and before a shorter look at validation."""

TOGETHER_SECONDS = 6.0
"""So long all of them train at most, where they are many."""

MOST_SECONDS = 25.0
"""After so many no further network is timed: the machine is busy, or a single batch takes that long."""


@dataclass(frozen=True)
class Timed:
    """A network that was timed: multiply-adds of an image, and images a second."""

    work: int
    speed: Speed


@dataclass(frozen=True)
class Speeds:
    """What was timed of each network, by its name, in the order of work; and the work of all that may be asked for."""

    works: Mapping[ModelConfig, int]
    timed: Mapping[str, Sequence[Timed]]

    def of(self, run: RunConfig) -> Speed:
        """How fast a run trains. A network that there was no time for is taken from the others by its work."""
        every = sorted((item for timed in self.timed.values() for item in timed), key=lambda item: item.work)
        return speed_at(self.timed.get(run.model.name) or every, self.works[shape_of(run.model)])


def speed_at(timed: Sequence[Timed], work: int) -> Speed:
    """Seconds per image grow linearly with work between two that were timed, and in proportion to it beyond them."""
    for one, other in pairwise(timed):
        if one.work <= work <= other.work:
            share = (work - one.work) / (other.work - one.work)
            return _mixed((1 - share, one.speed), (share, other.speed))
    nearest = min(timed, key=lambda item: abs(item.work - work))
    return _mixed((work / nearest.work, nearest.speed))


def time_networks(
    runs: Sequence[RunConfig], processes: int, compute: ComputeConfig, tell: Callable[[str], None]
) -> Speeds:
    """Time, of each network among these runs, the smallest and the largest, in so many processes at once.

    Raises:
        TimingError: none can be timed here.
    """
    models = list(dict.fromkeys(shape_of(run.model) for run in runs))
    with stopwatches(processes, compute) as watches:
        works = dict(zip(models, watches.work(models), strict=True))
        chosen = ends(runs, works)
        seconds = min(EACH_SECONDS, TOGETHER_SECONDS / len(chosen))
        found: dict[str, list[Timed]] = {}
        for run, speed in _timed(watches, chosen, works, seconds, tell):
            found.setdefault(run.model.name, []).append(Timed(works[shape_of(run.model)], speed))
    return Speeds(works, found)


def ends(runs: Sequence[RunConfig], works: Mapping[ModelConfig, int]) -> list[RunConfig]:
    """The run with the least work of each network, then those with the most, where that is more."""
    named: dict[str, list[RunConfig]] = {}
    for run in sorted(runs, key=lambda run: works[shape_of(run.model)]):
        named.setdefault(run.model.name, []).append(run)
    larger = [same[-1] for same in named.values() if works[shape_of(same[-1].model)] > works[shape_of(same[0].model)]]
    return [*(same[0] for same in named.values()), *larger]


def shape_of(model: ModelConfig) -> ModelConfig:
    """The network without its rates, which take no work."""
    return replace(model, dropout_rate=0.0, dense_dropout_rate=0.0)


def _timed(
    watches: Stopwatches,
    runs: Sequence[RunConfig],
    works: Mapping[ModelConfig, int],
    seconds: float,
    tell: Callable[[str], None],
) -> Iterator[tuple[RunConfig, Speed]]:
    """One after another, until there is no time left; the first has to come out."""
    ends_at = time.monotonic() + MOST_SECONDS
    first, *others = runs
    tell(f"timing {first.model.name}")
    yield first, watches.speed(first, works[shape_of(first.model)], seconds, MOST_SECONDS)
    with suppress(TimingError):
        for run in others:
            tell(f"timing {run.model.name}")
            yield run, watches.speed(run, works[shape_of(run.model)], seconds, ends_at - time.monotonic())


def _mixed(*parts: tuple[float, Speed]) -> Speed:
    """The speed that takes these shares of the others' seconds per image."""
    training = sum(share / speed.training for share, speed in parts)
    return Speed(1 / training, 1 / sum(share / speed.validation for share, speed in parts))
