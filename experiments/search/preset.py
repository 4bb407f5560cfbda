"""The best trial as a preset: a file that `python -m experiments.run experiment=PATH` runs as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

from experiments.search.finals import as_judged
from experiments.search.records import Sweep, Trial

BEST_FILE = "best.yaml"

GROUPS = ("model", "optimizer", "schedule", "data")
"""Groups whose option has the name that the configuration holds."""

ELSEWHERE = ("compute",)
"""Nodes that belong to a machine, not to a setting."""


def as_preset(trial: Trial, sweep: Sweep, trials: int, path: str) -> str:
    """A preset of all settings of a trial, with what it scored as a comment.

    Args:
        trial: the best one.
        sweep: which it is of.
        trials: how many have ended.
        path: where the file will be.
    """
    run = f", MLflow run {trial.facts['run_id']}" if trial.facts.get("run_id") else ""
    lines = [
        "# @package _global_",
        "#",
        f"# python -m experiments.run experiment={path}",
        f"# Trial {trial.number}{run}: best {sweep.objective} {trial.score:.4f}, one seed, the best of {trials} "
        f"trials of {sweep.name}.",
        *_threads(trial),
        "# The best of many looks better than it is: judge it on other seeds, and on the test images once.",
        "# A trial counts by its best epoch, so that one is kept: training.restore_best_weights.",
        "defaults:",
        *(f"  - override /{group}: {trial.config[group]['name']}" for group in GROUPS),
        "",
    ]
    return "\n".join(lines) + "\n" + yaml.safe_dump(_values(as_judged(trial.config)), sort_keys=False)


def _threads(trial: Trial) -> list[str]:
    threads = trial.config["compute"]["threads"]
    return [f"# Trained with compute.threads={threads}, which repeats it to the bit."] if threads else []


def _values(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the options of the groups do not say already: every value but names."""
    values: dict[str, Any] = {}
    for node, inner in config.items():
        if node in ELSEWHERE:
            continue
        values[node] = {key: value for key, value in inner.items() if key != "name"} if node in GROUPS else inner
    return {node: inner for node, inner in values.items() if inner != {}}
