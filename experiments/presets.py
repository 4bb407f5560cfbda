"""`experiment=PATH`: a preset from anywhere, such as the best.yaml of a sweep, as it would be typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from cifar import fields
from experiments.folders import option
from experiments.retyping import FILLED_BY, LARGEST, quoted
from experiments.schema import UsageError
from experiments.tracking.database import shown
from experiments.usage import CONF

KEY = "experiment"


def expand(argv: list[str]) -> list[str]:
    """A command line with what a preset's file says in place of its path; what is typed beside it counts more.

    `experiment=NAME`, of a file in `conf/experiment/`, is left as it is: Hydra knows it.

    Raises:
        UsageError: the file is not there, is no preset, or is named beside another one.
    """
    named = option(argv, KEY)
    if named is None or not named.endswith((".yaml", ".yml")):
        return argv
    typed = f"{KEY}={named}"
    presets = [item for item in _typed(argv) if _key(item) == KEY]
    if "," in named or len(presets) > 1:
        raise UsageError(typed, "expected one file; several presets are named after files of conf/experiment/")
    tree = _read(Path(named), typed)
    if any(item != "_self_" for item in tree.get("defaults", []) if not isinstance(item, dict)):
        raise UsageError(typed, "builds on another preset, which is found by names of conf/experiment/ only")
    expanded = [*_as_typed(tree, [*map(_key, _typed(argv))])]
    return [part for item in argv for part in (expanded if item in presets else [item])]


def mixed(argv: list[str]) -> list[str]:
    """A line for each group that is typed beside a preset of `conf/experiment/` and keeps values of the preset's.

    That is Hydra's order: a preset comes last. `experiment=fast_model3 optimizer=sgd` has fast_model3's learning rate.
    """
    given = [*map(_key, _typed(argv))]
    lines = []
    for name in (option(argv, KEY) or "").split(","):
        path = CONF / KEY / f"{name}.yaml"
        for node, inner in _read(path, f"{KEY}={name}").items() if path.is_file() else ():
            group = next((key for key in (node, FILLED_BY.get(node)) if key in given), None)
            values = {f"{node}.{key}": value for key, value in inner.items()} if isinstance(inner, dict) else {}
            kept = [f"{key}={fields.shown(value)}" for key, value in values.items() if key not in given]
            if group and kept:
                own = f"{KEY}={shown(path)} {group}=..."
                lines.append(f"note: {KEY}={name} keeps {', '.join(kept)} beside {group}=...; without: {own}")
    return lines


def _typed(argv: list[str]) -> list[str]:
    """What sets something; flags and their values do not."""
    return [item for item in argv if "=" in item and not item.startswith("-")]


def _key(item: str) -> str:
    return item.partition("=")[0].lstrip("+")


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
