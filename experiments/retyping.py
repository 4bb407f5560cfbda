"""The configuration that a run recorded, as it would be typed: read back, checked and composed as everything is."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from cifar.fields import ConfigError
from experiments.folders import CONFIG_FILE
from experiments.tracking.config import DEFAULT_URI
from experiments.tracking.finding import Found
from experiments.tracking.redaction import HIDDEN
from experiments.tracking.staging import ARTIFACTS
from experiments.tracking.store import kept_address

NAMED = ("model", "optimizer", "schedule", "data")
"""Groups whose option has the name that their configuration holds."""

FILLED_BY = {"training": "epochs"}
"""The node that a group of another name fills."""

LARGEST = 100_000
"""Characters of a configuration; ours have two thousand."""

_TEXT = ("tracking.note", "tracking.run_name")  # where what was hidden does not matter


def read_configuration(folder: Path) -> dict[str, Any]:
    """What the run in this folder was last composed of.

    Raises:
        ValueError: there is no configuration, or something else in its place; one line.
    """
    paths = [path for path in (folder / CONFIG_FILE, folder / ARTIFACTS / "config.yaml") if path.is_file()]
    if not paths:
        raise ValueError(f"{folder} has no configuration to go on with ({CONFIG_FILE})")
    text = paths[0].read_text(encoding="utf-8")
    try:
        if len(text) > LARGEST or any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise ValueError("more than a configuration")
        tree = yaml.safe_load(text)
        if not isinstance(tree, dict):
            raise ValueError("no configuration")
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{paths[0]}: cannot be read ({str(error).splitlines()[0]})") from None
    return tree


def as_typed(tree: dict[str, Any], typed: list[str], found: Found) -> Iterator[str]:
    """The configuration of a run as overrides; what `typed` chooses anew, a key or a whole group, is left out.

    Raises:
        ConfigError: a value had a secret in it, which was not kept.
    """
    keys = [item.partition("=")[0].lstrip("+") for item in typed]
    values = {f"{node}.{name}": value for node, inner in tree.items() for name, value in _leaves(inner)}
    values |= {"seed": tree["seed"]} if "seed" in tree else {}
    values |= _membership(found) | _store(values, found)
    for node in NAMED:
        if node not in keys and f"{node}.name" in values:
            yield f"{node}={quoted(values[f'{node}.name'])}"
    for key, value in values.items():
        node = key.partition(".")[0]
        if key.endswith(".name") or FILLED_BY.get(node, node) in keys or key in keys:
            continue
        if isinstance(value, str) and HIDDEN in value and key not in _TEXT:
            raise ConfigError(key, value, "it typed again: what is secret in it was not kept")
        yield f"{key}={quoted(value)}"


def _leaves(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        yield from node.items()


def _membership(found: Found) -> dict[str, Any]:
    """What a multirun gave to one of its jobs, or the environment; the run's own configuration does not know it."""
    names = ("tracking.parent_run_id", "tracking.run_name", "tracking.experiment")
    params = found.facts.params if found.facts is not None else {}
    return {name: params[name] for name in names if params.get(name, "null") != "null"}


def _store(values: dict[str, Any], found: Found) -> dict[str, Any]:
    """The store that the run was recorded to, if `$MLFLOW_TRACKING_URI` names another one now."""
    here = kept_address(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI)
    if values.get("tracking.uri") is not None or found.uri in ("", here):
        return {}
    return {"tracking.uri": found.uri}


def quoted(value: Any) -> str:
    """A value as Hydra reads it from a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float) and math.isfinite(value):
        return repr(value)
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", str(value))  # backslashes count only before a quote
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"'{escaped}'"
