"""What the final trainings say, in words and as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from experiments.results.statistics import Difference, Summary
from experiments.search.finals import Verdict
from experiments.search.plan import overrides_of


def in_words(verdict: Verdict) -> str:
    """A few lines: what the winner scores, what the default does, how sure the difference is."""
    settings = " ".join(overrides_of(verdict.winner.point))
    lines = [f"winner, trial {verdict.winner.number} ({settings}): {_score(verdict.scores)}"]
    if verdict.compared:
        lines.append(f"default, with nothing searched: {_score(verdict.default)}")
    else:
        lines.append("the default has the same settings: there is nothing to compare it with")
    if verdict.difference is not None:
        lines.append(_told(verdict.difference, verdict.scores, verdict.default))
    seeds = ", ".join(map(str, verdict.seeds))
    failed = f"; {verdict.failed} of them failed" if verdict.failed else ""
    lines.append(
        f"chosen among {verdict.settings} settings, by validation only; trained again on seeds that chose nothing "
        f"({seeds}){failed}; this sweep looked at the test images {verdict.looks} times, once after each training of "
        "its own"
    )
    return "\n".join(lines)


def as_plain(verdict: Verdict) -> dict[str, Any]:
    """The same for programs; scores are shares, from 0 to 1."""
    return {
        "winner": {"trial": verdict.winner.number, "settings": dict(verdict.winner.point)},
        "test_accuracy": {
            "winner": asdict(verdict.scores) if verdict.scores else None,
            "default": asdict(verdict.default) if verdict.default else None,
            "difference": asdict(verdict.difference) if verdict.difference else None,
        },
        "interval": "95 %, Welch's t over seeds",
        "settings_tried": verdict.settings,
        "seeds": list(verdict.seeds),
        "failed": verdict.failed,
        "looks_at_test_images": verdict.looks,
    }


def as_metrics(verdict: Verdict) -> dict[str, float]:
    """The same as metrics of the sweep's run."""
    found = {
        "winner_test_accuracy": verdict.scores.mean if verdict.scores else None,
        "default_test_accuracy": verdict.default.mean if verdict.default else None,
        "test_accuracy_difference": verdict.difference.mean if verdict.difference else None,
        "test_accuracy_difference_low": verdict.difference.low if verdict.difference else None,
        "test_accuracy_difference_high": verdict.difference.high if verdict.difference else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _score(summary: Summary | None) -> str:
    if summary is None:
        return "no test accuracy, since every training failed"
    deviation = "" if summary.deviation is None else f" \N{PLUS-MINUS SIGN} {100 * summary.deviation:.2f}"
    return f"test accuracy {100 * summary.mean:.2f}{deviation} % (n = {summary.n})"


def _told(found: Difference, *summaries: Summary | None) -> str:
    points, side = f"{abs(100 * found.mean):.2f} points", "better" if found.mean >= 0 else "worse"
    if found.low is None or found.high is None:
        single = any(summary is None or summary.n == 1 for summary in summaries)
        why = "a single seed gives no interval" if single else "the seeds do not differ, and no interval can be given"
        return f"the winner is {side} by {points}; {why}"
    interval = f"95 % interval {100 * found.low:+.2f} to {100 * found.high:+.2f}"
    if not found.is_clear:
        return f"the winner is {side} by {points}, {interval}: these seeds do not tell the two apart"
    return f"the winner is {side} by {points}, {interval}"
