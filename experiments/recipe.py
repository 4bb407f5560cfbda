"""A whole configuration as a preset: a file that `python -m experiments.run experiment=NAME` runs as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

GROUPS = ("model", "optimizer", "schedule", "data")
"""Groups whose option has the name that the configuration holds."""

ELSEWHERE = {"compute": ("device", "threads")}
"""Settings that belong to a machine."""


def as_recipe(config: Mapping[str, Any], comments: Iterable[str]) -> str:
    """The text of a preset.

    Args:
        config: of a run, whole and nested.
        comments: lines that stand at its head.
    """
    lines = [
        "# @package _global_",
        "#",
        *(f"# {line}".rstrip() for line in comments),
        "defaults:",
        *(f"  - override /{group}: {config[group]['name']}" for group in GROUPS),
        "",
    ]
    return "\n".join(lines) + "\n" + yaml.safe_dump(_values(config), sort_keys=False)


def _values(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the options of the groups do not say already: every value but names."""
    values: dict[str, Any] = {}
    for node, inner in config.items():
        if isinstance(inner, Mapping):
            left_out = (*ELSEWHERE.get(node, ()), *(("name",) if node in GROUPS else ()))
            inner = {key: value for key, value in inner.items() if key not in left_out}
        values[node] = inner
    return {node: inner for node, inner in values.items() if inner != {}}
