"""A sweep in a few words: how many trials, the best of them, and what its final trainings said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.results.boards import BEST_LOSS
from experiments.results.sorting import GOING_ON, SweepRuns, is_pruned
from experiments.tracking.reading import BEST, RecordedRun

LOSS = "val_loss"
BETTER = "The winner is"


@dataclass(frozen=True)
class SweepSummary:
    """What a report says of a sweep.

    Attributes:
        trials: how many were recorded; `pruned`, `failed` and `going_on` of them.
        objective: what trials were chosen by.
        best: the best trial; `score` is its best epoch's.
        verdict: what the final trainings said, in sentences; empty while there is none.
        pictures: PNGs by their names.
        missing: why a verdict or pictures, if there are any, cannot be had; empty where all was looked at.
    """

    name: str
    run: RecordedRun | None
    trials: int
    pruned: int
    failed: int
    going_on: int
    objective: str
    best: RecordedRun | None
    score: float | None
    verdict: tuple[str, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    missing: str = ""

    @property
    def difference(self) -> str:
        """The sentence of the verdict that says how much better the winner is; empty where there is none."""
        return next((sentence for sentence in self.verdict if sentence.startswith(BETTER)), "")


def summarize_sweep(
    sweep: SweepRuns,
    verdict: Mapping[str, Any] | None = None,
    pictures: Mapping[str, bytes] | None = None,
    missing: str = "",
) -> SweepSummary:
    """A sweep's runs, and what its own run kept, in a few words."""
    objective = sweep.run.params.get("sweep.objective", "val_accuracy") if sweep.run else "val_accuracy"
    sign = -1 if objective == LOSS else 1
    finished = [run for run in sweep.trials if run.status == "FINISHED"]
    scored = [(score, run) for run in finished if math.isfinite(score := _score(run, objective))]
    best = max(scored, key=lambda pair: (sign * pair[0], -pair[1].began), default=None)
    return SweepSummary(
        name=sweep.name,
        run=sweep.run,
        trials=len(sweep.trials),
        pruned=sum(is_pruned(run) for run in finished),
        failed=sum(run.status not in (*GOING_ON, "FINISHED") for run in sweep.trials),
        going_on=sum(run.status in GOING_ON for run in sweep.trials),
        objective=objective,
        best=best[1] if best else None,
        score=best[0] if best else None,
        verdict=tuple(verdict_in_words(verdict)) if verdict else (),
        pictures=pictures or {},
        missing=missing,
    )


def _score(run: RecordedRun, objective: str) -> float:
    """The best epoch's, which trials are judged by; of a loss older trials have only the last one."""
    best = BEST if objective == "val_accuracy" else BEST_LOSS
    return run.metrics.get(best, run.metrics.get(objective, math.nan))


def verdict_in_words(found: Mapping[str, Any]) -> list[str]:
    """What `verdict.json` of a sweep says, in sentences; nothing where it is not one of ours."""
    try:
        return _sentences(found)
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def _sentences(found: Mapping[str, Any]) -> list[str]:
    scores = found["test_accuracy"]
    settings = " ".join(f"{key}={value}" for key, value in found["winner"]["settings"].items())
    lines = [f"The winner, trial {found['winner']['trial']} ({settings}), has {_told(scores['winner'])}."]
    if scores.get("default"):
        lines.append(f"The default, with nothing searched, has {_told(scores['default'])}.")
    if scores.get("difference"):
        lines.append(_difference(scores["difference"], min(scores["winner"]["n"], scores["default"]["n"])))
    return [*lines, _choice(found)]


def _choice(found: Mapping[str, Any]) -> str:
    looks = found.get("looks_at_test_images")  # not told by older versions
    seen = "" if looks is None else f"; the sweep looked at the test images {looks} times"
    seeds = len(found["seeds"])
    return (
        f"Chosen among {found['settings_tried']} settings by validation only, "
        f"trained again on {seeds} other seeds{seen}."
    )


def _told(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return "no test accuracy, since every training failed"
    deviation = f" \N{PLUS-MINUS SIGN} {100 * summary['deviation']:.2f}" if summary["deviation"] is not None else ""
    return f"a test accuracy of {100 * summary['mean']:.2f}{deviation} % (n = {summary['n']})"


def _difference(found: Mapping[str, Any], seeds: int) -> str:
    mean = 100 * found["mean"]
    low, high = (None if found[key] is None else 100 * found[key] for key in ("low", "high"))
    told = f"{BETTER} {'better' if mean >= 0 else 'worse'} by {abs(mean):.2f} points"
    if low is None or high is None:
        why = "a single seed gives no interval" if seeds == 1 else "the seeds do not differ, so there is no interval"
        return f"{told}; {why}."
    doubt = "" if low > 0 or high < 0 else ": these seeds do not tell the two apart"
    return f"{told}, 95 % interval {low:+.2f} to {high:+.2f}{doubt}."
