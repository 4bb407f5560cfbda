"""What benchmarks.train was to reach, and whether it was: of each goal the median counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.peers import PLAIN_KERAS
from benchmarks.report import Goal, goal

OVER_PLAIN_KERAS = {"the goal": 1.25, "the aim": 1.5}
OVER_TORCH = {"the goal": 1.1, "the aim": 1.3}
SHARE_OF_SGEMM = {"model1": 0.30, "model2": 0.50, "model3": 0.35}
MOST_TRACKING_PERCENT = 1.0
"""Of an epoch of model1, the shortest."""

TIMES = "{:.2f}"


def goals(results: Mapping[str, Any]) -> list[Goal]:
    """All that were measured; what was left out is no goal missed."""
    found = [one for model, figures in results["models"].items() for one in _of_network(model, figures)]
    tracking = results["costs"].get("tracking", {})
    if (percent := tracking.get("percent_of_model1_epoch")) is not None:
        what = f"tracking takes at most {MOST_TRACKING_PERCENT:g} % of an epoch of model1"
        shares = {name: percent * tracking[name] / tracking["median"] for name in ("median", "min", "max")}
        found.append(goal(what, shares, "{:.2f} %", percent <= MOST_TRACKING_PERCENT))
    return found


def _of_network(model: str, figures: Mapping[str, Any]) -> list[Goal]:
    found = []
    rates, ratios = figures["images_per_second"], figures.get("faster_than", {})
    measured = [name for name in PLAIN_KERAS if name in ratios]
    if measured:
        best = max(measured, key=lambda name: rates[name]["median"])
        whom = f"{best}, the best of {len(measured)} plain Keras backends"
        found += _times(model, whom, ratios[best], OVER_PLAIN_KERAS)
    if "torch" in ratios:
        found += _times(model, "the best PyTorch loop", ratios["torch"], OVER_TORCH)
    if share := figures.get("share_of_sgemm", {}).get("ours"):
        least = SHARE_OF_SGEMM[model]
        what = f"{model} computes at {least:.2f} of the SGEMM rate or more"
        found.append(goal(what, share, TIMES, share["median"] >= least))
    return found


def _times(model: str, whom: str, ratio: Mapping[str, float], least: Mapping[str, float]) -> list[Goal]:
    return [
        goal(
            f"{model} is at least {times:g} times as fast as {whom} ({word})",
            dict(ratio),
            TIMES,
            ratio["median"] >= times,
        )
        for word, times in least.items()
    ]
