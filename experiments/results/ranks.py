"""Places on a leaderboard where ties are ties.

Groups stand in the order of their mean validation accuracy. A group has the place of the best group above it from which
it cannot be told, at 5 %. That best one is the group that opened the place, not simply the one above: otherwise
fifty groups of which each is a hair below the next would all be first. What is asked depends on the seeds:

- at least 3 seeds in common: Student's t of the differences, seed by seed (paired);
- at least 2 seeds on both sides: Welch's t;
- one seed on one side, more on the other: Student's t with the deviation of the side that has more;
- one seed on each side: the z of two shares, over the number of validation images. That knows nothing of how much
  seeds differ, so it takes groups apart too easily; `Verdict.asked` says so.

The test images are never asked. No p is corrected for the number of groups.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from experiments.results.statistics import difference, summarize, t_quantile

FEWEST_PAIRS = 3
ALIKE = 1e-9
"""Differences that vary less than this are one and the same, of which no t can be had: accuracies are shares of at most
some ten thousand images."""


class Asked(StrEnum):
    """What two groups were compared by."""

    PAIRED = "paired t"
    WELCH = "Welch's t"
    ONE_SEED = "t with one seed on one side"
    IMAGES = "z over validation images, one seed each"
    NONE = "nothing: the number of validation images is not known"


@dataclass(frozen=True)
class Scores:
    """The validation accuracy of a group for each of its seeds, 0 to 1, measured on so many images."""

    by_seed: Mapping[str, float]
    images: int | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether two groups can be told apart, and by what that was asked."""

    apart: bool
    asked: Asked


@dataclass(frozen=True)
class Place:
    """A group's place, from 1. `verdict` is about it and the group that opened the place; None for that one itself."""

    number: int
    tied: bool = False
    verdict: Verdict | None = None

    def __str__(self) -> str:
        """As a leaderboard shows it: `=2` for one of several."""
        return f"={self.number}" if self.tied else str(self.number)


def places(groups: Sequence[Scores]) -> list[Place]:
    """The places of groups that stand in the order of their means, the best first."""
    found: list[Place] = []
    for number, group in enumerate(groups, start=1):
        verdict = judge(groups[found[-1].number - 1], group) if found else None
        if verdict is not None and not verdict.apart:
            opened = found[-1].number
            found[opened - 1] = Place(opened, tied=True)
            found.append(Place(opened, True, verdict))
        else:
            found.append(Place(number))
    return found


def judge(one: Scores, other: Scores) -> Verdict:
    """Whether the two can be told apart."""
    common = sorted(one.by_seed.keys() & other.by_seed.keys())
    fewest, most = sorted((len(one.by_seed), len(other.by_seed)))
    if len(common) >= FEWEST_PAIRS:
        return Verdict(_paired([one.by_seed[seed] - other.by_seed[seed] for seed in common]), Asked.PAIRED)
    if fewest >= 2:
        found = difference([*one.by_seed.values()], [*other.by_seed.values()])
        return Verdict(found.is_clear, Asked.WELCH)
    if most >= 2:
        return Verdict(_one_against_more(one, other), Asked.ONE_SEED)
    if one.images and other.images:
        return Verdict(_shares(one, other), Asked.IMAGES)
    return Verdict(False, Asked.NONE)


def _paired(differences: Sequence[float]) -> bool:
    found = summarize(differences)
    assert found.deviation is not None
    if found.deviation < ALIKE:
        return abs(found.mean) > ALIKE
    return abs(found.mean) > t_quantile(found.n - 1) * found.deviation / math.sqrt(found.n)


def _one_against_more(one: Scores, other: Scores) -> bool:
    few, more = sorted((one, other), key=lambda scores: len(scores.by_seed))
    (value,) = few.by_seed.values()
    found = summarize([*more.by_seed.values()])
    assert found.deviation is not None
    apart = abs(value - found.mean)
    return apart > max(ALIKE, t_quantile(found.n - 1) * found.deviation * math.sqrt(1 + 1 / found.n))


def _shares(one: Scores, other: Scores) -> bool:
    assert one.images is not None
    assert other.images is not None
    (p,), (q,) = one.by_seed.values(), other.by_seed.values()
    pooled = (p * one.images + q * other.images) / (one.images + other.images)
    error = math.sqrt(pooled * (1 - pooled) * (1 / one.images + 1 / other.images))
    return abs(p - q) > max(ALIKE, NORMAL * error)


NORMAL = 1.959963984540054
"""So many deviations to either side hold 95 % of the normal distribution."""
