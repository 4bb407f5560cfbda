"""What a handful of repeated runs says: mean, deviation, interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """n values in short; `deviation` is the sample's (n - 1), and None for a single value."""

    n: int
    mean: float
    deviation: float | None


def summarize(values: Sequence[float]) -> Summary:
    """Mean and sample deviation of at least one value."""
    if not values:
        raise ValueError("no values: expected at least one")
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Summary(n, mean, None)
    return Summary(n, mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)))


@dataclass(frozen=True)
class Difference:
    """One mean less another, and where the true one lies with a confidence of 95 %.

    `low` and `high` are None where an interval cannot be had: with a single value on either side, or where the values
    of both sides do not differ among themselves and so say nothing of chance.
    """

    mean: float
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no doubt who is better."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def difference(one: Sequence[float], other: Sequence[float], confidence: float = 0.95) -> Difference:
    """How much higher the mean of independent values is than that of others, by Welch's t (unequal deviations)."""
    this, that = summarize(one), summarize(other)
    mean = this.mean - that.mean
    if this.deviation is None or that.deviation is None or len({*one}) == len({*other}) == 1:
        return Difference(mean, None, None)
    from scipy.special import stdtrit  # late, as below

    variances = this.deviation**2 / this.n, that.deviation**2 / that.n
    total = math.fsum(variances)
    degrees = total**2 / math.fsum(v**2 / (n - 1) for v, n in zip(variances, (this.n, that.n), strict=True))
    half = float(stdtrit(degrees, (1 + confidence) / 2)) * math.sqrt(total)
    return Difference(mean, mean - half, mean + half)


def t_interval(summary: Summary, confidence: float = 0.95) -> tuple[float, float] | None:
    """Where the true mean lies with that confidence, by Student's t; None for a single value."""
    if summary.deviation is None:
        return None
    half = t_quantile(summary.n - 1, confidence) * summary.deviation / math.sqrt(summary.n)
    return summary.mean - half, summary.mean + half


def t_quantile(freedom: int, confidence: float = 0.95) -> float:
    """How many deviations to either side hold so much of Student's t."""
    from scipy.special import stdtrit  # late: commands that need no interval start faster

    return float(stdtrit(freedom, (1 + confidence) / 2))


@dataclass(frozen=True)
class Paired:
    """Two classifiers on the same n images.

    Attributes:
        only_one, only_other: how many images just one of the two had right.
        difference: the share of right answers of the one less that of the other; `low` and `high` bound it with a
            confidence of 95 %.
        p: of McNemar's exact test: how likely so uneven a split is if both are equally good.
    """

    n: int
    only_one: int
    only_other: int
    difference: float
    low: float
    high: float
    p: float

    @property
    def is_clear(self) -> bool:
        """Whether the test tells them apart, at 5 %."""
        return self.p < 0.05


def paired(one: Sequence[bool], other: Sequence[bool], confidence: float = 0.95) -> Paired:
    """Compares which images each of two classifiers had right.

    The test is McNemar's (1947), exact; the interval is Agresti and Min's (2005, Simple improved confidence intervals
    for comparing matched proportions): half an image is added to each of the four cells of the table.

    Raises:
        ValueError: the two do not have the same images.
    """
    n = len(one)
    if n != len(other) or n == 0:
        raise ValueError(f"{n} and {len(other)} images: expected the same ones, at least one")
    only_one = sum(a and not b for a, b in zip(one, other, strict=True))
    only_other = sum(b and not a for a, b in zip(one, other, strict=True))
    from scipy.special import ndtri
    from scipy.stats import binomtest

    differing = only_one + only_other
    p = float(binomtest(only_one, differing).pvalue) if differing else 1.0
    more, less, all_ = only_one + 0.5, only_other + 0.5, n + 2
    middle = (more - less) / all_
    half = float(ndtri((1 + confidence) / 2)) * math.sqrt(more + less - (more - less) ** 2 / all_) / all_
    return Paired(n, only_one, only_other, (only_one - only_other) / n, middle - half, middle + half, p)
