"""The figures of benchmarks.reading as a table, and beside them what was to be reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import Report, circumstances, shown, spread

NAMES = {
    "command": "`python -m experiments.report --no-html`, the whole command",
    "page": "the same with its page",
    "reading": "reading alone: all runs and their curves of losses and accuracies",
    "mlflow": "MLflow's `search_runs` of all runs, without curves",
}
GOAL = 3.0
"""Seconds for the whole command, at most; the median counts."""


def sum_up(seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Median, least and most of each, and whether the goal was reached."""
    figures = {name: spread(taken) for name, taken in seconds.items()}
    return {"figures": figures, "goal": {"seconds": GOAL, "reached": figures["command"]["median"] < GOAL}}


def report(results: Mapping[str, Any]) -> Report:
    """The table."""
    rows = [(NAMES[name], shown(figures, "{:.2f}")) for name, figures in results["figures"].items()]
    goal = results["goal"]
    remarks = [
        f"{results['runs']:,} runs of {results['epochs']} epochs with 7 metrics, a database of {results['store_mb']} "
        f"MB; median (least - most) of {results['repeats']} rounds in which all took turns",
        f"To be reached: the whole command in under {goal['seconds']:g} s: {'yes' if goal['reached'] else 'NO'}",
        *circumstances(results, results["others_cpu"]),
    ]
    return Report(("who", "seconds"), rows, remarks)
