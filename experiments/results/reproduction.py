"""Whether a training that was made again came to the same: plain values in, a verdict out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.results.comparison import EPOCH_METRICS, Side, first_difference
from experiments.results.statistics import paired, summarize, t_quantile

IDENTICAL, WITHIN_NOISE, DIFFERENT = "identical to the bit", "within seed noise", "different"

FEWEST_SEEDS = 3
"""From so many runs of other seeds on, their spread is the noise; with fewer, the test images are."""


@dataclass(frozen=True)
class Verdict:
    """What came of a reproduction.

    Attributes:
        word: IDENTICAL, WITHIN_NOISE or DIFFERENT.
        metric: by which noise was judged; empty if there was nothing to judge.
        then, now: its values.
        low, high: the interval that `now` had to be in, and `basis` what it was made of.
        first: (epoch, metric) of the first difference; None if there is none in what both recorded.
        epochs: how many epochs both recorded.
        answers: whether both recorded what the network answered to the test images.
    """

    word: str
    metric: str
    then: float | None
    now: float | None
    low: float | None
    high: float | None
    basis: str
    first: tuple[int, str] | None
    epochs: int
    answers: bool = False

    @property
    def holds(self) -> bool:
        """Whether the run was reproduced."""
        return self.word != DIFFERENT


def judge(then: Side, now: Side, others: Sequence[Mapping[str, float]]) -> Verdict:
    """Compare a run with the same training made again.

    Args:
        then, now: the run, and its reproduction.
        others: the final metrics of runs with the same settings but other seeds; the run itself not among them.
    """
    first, epochs = _first(then, now), _epochs(then, now)
    if epochs and first is None and _same_length(then, now) and _same_answers(then, now):
        return Verdict(IDENTICAL, "", None, None, None, None, "", None, epochs, then.answers is not None)
    metric = "test_accuracy" if "test_accuracy" in {*then.metrics} & {*now.metrics} else "val_accuracy"
    a, b = then.metrics.get(metric, math.nan), now.metrics.get(metric, math.nan)
    low, high, basis = _interval(then, now, metric, others)
    inside = low is not None and high is not None and low <= b <= high
    word = WITHIN_NOISE if inside else DIFFERENT
    return Verdict(word, metric, _known(a), _known(b), low, high, basis, first, epochs)


def _interval(
    then: Side, now: Side, metric: str, others: Sequence[Mapping[str, float]]
) -> tuple[float | None, float | None, str]:
    values = [then.metrics.get(metric, math.nan), *(other.get(metric, math.nan) for other in others)]
    known = [value for value in values if math.isfinite(value)]
    if len(known) >= FEWEST_SEEDS:
        noise = summarize(known)
        assert noise.deviation is not None
        half = t_quantile(noise.n - 1) * noise.deviation * math.sqrt(1 + 1 / noise.n)
        basis = f"95 % prediction interval for one more seed, from {noise.n} seeds of the same settings"
        return noise.mean - half, noise.mean + half, basis
    if metric == "test_accuracy" and then.answers is not None and now.answers is not None:
        right = [side.answers.predictions == side.answers.labels for side in (now, then) if side.answers is not None]
        if len(right[0]) == len(right[1]):
            found = paired(*(answers.tolist() for answers in right))
            half = (found.high - found.low) / 2
            value = then.metrics[metric]
            return value - half, value + half, f"95 % interval of the difference on the same {found.n:,} test images"
    return None, None, "no interval: fewer than three seeds of the same settings, and no predictions of both"


def _first(then: Side, now: Side) -> tuple[int, str] | None:
    epoch = first_difference(then.curves, now.curves)
    if epoch is None:
        return None
    differing = [
        name
        for name in EPOCH_METRICS
        if epoch in (values := dict(then.curves.get(name, ())))
        and epoch in (others := dict(now.curves.get(name, ())))
        and values[epoch].hex() != others[epoch].hex()
    ]
    return epoch, differing[0]


def _epochs(then: Side, now: Side) -> int:
    return max((min(len(then.curves.get(n, ())), len(now.curves.get(n, ()))) for n in EPOCH_METRICS), default=0)


def _same_length(then: Side, now: Side) -> bool:
    """Whether neither went on for longer than the other."""
    return all(len(then.curves.get(name, ())) == len(now.curves.get(name, ())) for name in EPOCH_METRICS)


def _same_answers(then: Side, now: Side) -> bool:
    import numpy as np

    if then.answers is None or now.answers is None:
        return then.answers is None  # nothing was recorded that could differ
    return np.array_equal(then.answers.probabilities, now.answers.probabilities)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
