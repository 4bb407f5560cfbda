"""Whether a setting is better than the champion's: the same statistics as everywhere, over seeds on the test images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.results.settings import setting
from experiments.results.statistics import Difference, Summary, difference, summarize

if TYPE_CHECKING:
    from experiments.tracking.reading import RecordedRun

SCORE = "test_accuracy"


@dataclass(frozen=True)
class Gate:
    """A candidate beside the champion.

    Attributes:
        candidate, champion: test accuracy over seeds; `champion` is None where there is none yet.
        difference: candidate less champion, with its interval.
        opens: whether the candidate is better beyond doubt, or there is no champion.
    """

    candidate: Summary
    champion: Summary | None
    difference: Difference | None

    @property
    def opens(self) -> bool:
        """Whether the candidate is let through."""
        return self.champion is None or (
            self.difference is not None and self.difference.is_clear and self.difference.mean > 0
        )


def gate(candidate: Sequence[float], champion: Sequence[float]) -> Gate:
    """Compare test accuracies over seeds; `champion` is empty where there is none."""
    if not champion:
        return Gate(summarize(candidate), None, None)
    return Gate(summarize(candidate), summarize(champion), difference(candidate, champion))


def seeds_of(run: RecordedRun, runs: Iterable[RecordedRun]) -> dict[str, RecordedRun]:
    """The finished runs of a run's setting that were scored on the test images, the newest of each seed."""
    own, found = setting(run.params), dict[str, "RecordedRun"]()
    for other in runs:
        scored = math.isfinite(other.metrics.get(SCORE, math.nan))
        if other.status == "FINISHED" and scored and setting(other.params) == own:
            found.setdefault(other.params.get("seed", ""), other)
    return found


def is_same(one: RecordedRun, other: RecordedRun) -> bool:
    """Whether the two are of one setting, and differ in their seeds at most."""
    return setting(one.params) == setting(other.params)


def in_words(found: Gate) -> str:
    """The candidate beside the champion, in a line or three."""
    lines = [f"candidate: test accuracy {score(found.candidate)}"]
    if found.champion is None:
        return f"{lines[0]}; there is no champion yet"
    lines.append(f"champion: test accuracy {score(found.champion)}")
    if found.difference is not None:
        one = found.difference
        lines.append(f"difference {100 * one.mean:+.2f} points, {_interval(found, one)}")
    return "\n".join(lines)


def _interval(found: Gate, one: Difference) -> str:
    if one.low is not None and one.high is not None:
        return f"95 % interval {100 * one.low:+.2f} to {100 * one.high:+.2f}"
    single = found.candidate.n == 1 or found.champion is None or found.champion.n == 1
    return f"no interval, since {'one of them has a single seed' if single else 'their seeds do not differ'}"


def score(summary: Summary) -> str:
    """Test accuracy over seeds: 63.57 ± 1.29 % (n = 3)."""
    deviation = "" if summary.deviation is None else f" \N{PLUS-MINUS SIGN} {100 * summary.deviation:.2f}"
    return f"{100 * summary.mean:.2f}{deviation} % (n = {summary.n})"
