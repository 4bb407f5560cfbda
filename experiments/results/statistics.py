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


def t_interval(summary: Summary, confidence: float = 0.95) -> tuple[float, float] | None:
    """Where the true mean lies with that confidence, by Student's t; None for a single value."""
    if summary.deviation is None:
        return None
    from scipy.special import stdtrit  # late: commands that need no interval start faster

    half = float(stdtrit(summary.n - 1, (1 + confidence) / 2)) * summary.deviation / math.sqrt(summary.n)
    return summary.mean - half, summary.mean + half
