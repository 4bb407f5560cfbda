"""A preset as it would be typed: of a file from anywhere, such as the best.yaml of a sweep, or beside a group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from experiments.folders import option
from experiments.retyping import FILLED_BY, LARGEST, quoted
from experiments.schema import UsageError
from experiments.usage import CONF

KEY = "experiment"


def expand(argv: list[str]) -> list[str]:
    """A command line with what a preset's file says in place of its path; what is typed beside it counts more.

    `experiment=NAME`, of a file in `conf/experiment/`, is left to Hydra, unless a group is typed beside it
    (`experiment=fast_model1 optimizer=sgd`): Hydra would take the group and put the preset's values into it.

    Raises:
        UsageError: the file is not there, or is no preset.
    """
    named = option(argv, KEY)
    if named is None:
        return argv
    items = [(item, item.partition("=")[0].lstrip("+")) for item in argv]
    given = [key for _, key in items if key != KEY]
    if not named.endswith((".yaml", ".yml")):
        path = CONF / KEY / f"{named}.yaml"
        if not path.is_file() or not _changes(_read(path, f"{KEY}={named}"), given):
            return argv
        named = str(path)
    if "," in named:
        raise UsageError(
            f"{KEY}={named}", "expected one file; several presets are named after files of conf/experiment/"
        )
    tree = _read(Path(named), f"{KEY}={named}")
    expanded = [*_as_typed(tree, given)]
    return [part for item, key in items for part in (expanded if key == KEY else [item])]


def _changes(tree: dict[str, Any], given: list[str]) -> bool:
    """Whether a group is given whose values the preset sets."""
    return any(node in given or FILLED_BY.get(node) in given for node in tree if node != "defaults")


def _read(path: Path, typed: str) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > LARGEST or any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise UsageError(typed, "more than a preset")
        tree = yaml.safe_load(text)
    except OSError as error:
        raise UsageError(typed, f"the file cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(typed, f"the file is no YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("defaults", []), list):
        raise UsageError(typed, "the file is no preset; conf/experiment/ has examples")
    return tree


def _as_typed(tree: dict[str, Any], given: list[str]) -> Iterator[str]:
    """A preset as overrides, without what is given anew: a key, or a group with all of its values."""
    picks = [item for item in tree.pop("defaults", []) if isinstance(item, dict)]
    for key, value in (pair for item in picks for pair in item.items()):
        group = str(key).removeprefix("override ").strip().lstrip("/")
        if group not in given:
            yield f"{group}={quoted(value)}"
    for node, inner in tree.items():
        values = (
            {f"{node}.{name}": value for name, value in inner.items()} if isinstance(inner, dict) else {node: inner}
        )
        for key, value in values.items():
            if key not in given and node not in given and FILLED_BY.get(node) not in given:
                yield f"{key}={quoted(value)}"
