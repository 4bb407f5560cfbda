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
