"""Hydra's door: a composed configuration becomes frozen, checked objects, or one line that says what is wrong.

The schema is closed: a key that no dataclass has is refused wherever it comes from, a file or the command line.
Nothing is built from a name in a configuration, so `_target_` is refused too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cifar.config import MODELS, OPTIMIZERS, SCHEDULES, ComputeConfig, DataConfig, RunConfig, TrainingConfig
from cifar.fields import ConfigError, Validated, shown
from experiments.suggestions import did_you_mean, nearest
from experiments.tracking.config import TrackingConfig

TABLES: dict[str, Mapping[str, type[Validated]]] = {"model": MODELS, "optimizer": OPTIMIZERS, "schedule": SCHEDULES}
"""Nodes whose `name` decides which keys they have."""

NODES: dict[str, type[Validated]] = {
    "training": TrainingConfig,
    "data": DataConfig,
    "compute": ComputeConfig,
    "tracking": TrackingConfig,
}
"""Nodes that always have the same keys."""

COMMAND_KEYS = ("resume",)
"""What a command takes beside its configuration."""

MISSING = "???"  # as OmegaConf writes it

_BUILDERS = ("_target_", "()", "class")  # by which Hydra and `logging` build things from names


@dataclass(frozen=True)
class Settings:
    """What one command runs with."""

    run: RunConfig
    tracking: TrackingConfig


class UsageError(ConfigError):
    """What was typed cannot be used as a whole: not a value out of range, but no such key, or no key at all."""

    def __init__(self, typed: str, problem: str, hint: str = "") -> None:
        key, _, value = typed.partition("=")
        super().__init__(key, value, problem, hint)
        self.typed = typed
        self.args = (typed, problem, hint)

    def __str__(self) -> str:
        return f"{shown(self.typed)}: {self.expected}" + (f". {self.hint}" if self.hint else "")


def load(cfg: DictConfig) -> Settings:
    """Turn a composed configuration into checked objects.

    Raises:
        ConfigError: a key is unknown or missing, or a value cannot be used; the first one found.
    """
    tree = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(tree, dict)
    tree.pop("hydra", None)
    refuse_code(tree)
    for key, value in tree.items():
        if key not in {*TABLES, *NODES, "seed"}:
            raise unknown_key(*next(_leaves({key: value}, "")))
    nodes: dict[str, Any] = {node: _load_node(node, tree.get(node)) for node in (*TABLES, *NODES)}
    tracking = nodes.pop("tracking")
    return Settings(run=RunConfig(seed=tree.get("seed", MISSING), **nodes), tracking=tracking)


def read_params(params: Mapping[str, str]) -> RunConfig:
    """The run that these params of MLflow's describe; what an older version did not record has its default.

    Raises:
        ConfigError: a param is of no setting that there is, or cannot be used.
    """
    nodes: dict[str, dict[str, Any]] = {node: {} for node in (*TABLES, *NODES) if node != "tracking"}
    for key, value in params.items():
        node, _, name = key.partition(".")
        if node in nodes:
            nodes[node][name] = value
    made: dict[str, Any] = {}
    for node, texts in nodes.items():
        cls = _class(node, texts) if texts or node in NODES else None
        if cls is None:
            raise ConfigError(f"{node}.name", "", "one of " + ", ".join(TABLES[node]), "The run did not record it")
        kinds = {item.name: str(item.type) for item in fields(cls)}
        for name, value in texts.items():
            if name not in kinds:
                raise _foreign_key(node, name, value, texts.get("name", node))
        made[node] = cls(**{name: _value(text, kinds[name]) for name, text in texts.items()})
    return RunConfig(seed=_value(params.get("seed", "0"), "int"), **made)


def _value(text: str, kind: str) -> Any:
    """A setting from how it is spelled; what cannot be read is left for the rule of its field to refuse."""
    if text == "null" and "None" in kind:
        return None
    if kind.startswith("str"):
        return text
    if kind.startswith("bool"):
        return {"true": True, "false": False}.get(text, text)
    try:
        return int(text) if kind.startswith("int") else float(text)
    except ValueError:
        return text


def known_keys() -> list[str]:
    """Every dotted key that some configuration of a run has."""
    classes = [(node, cls) for node, table in TABLES.items() for cls in table.values()] + [*NODES.items()]
    keys = [f"{node}.{item.name}" for node, cls in classes for item in fields(cls)]
    return ["seed", *dict.fromkeys(keys)]


def refuse_code(tree: Any, key: str = "", allowed: str = r"(?!)") -> None:
    """Refuse `_target_` and interpolations, at any depth; `allowed` matches the names that may be built.

    Raises:
        ConfigError: one was found.
    """
    for name, value in _leaves(tree, key):
        if name.rpartition(".")[2] in _BUILDERS and not re.fullmatch(allowed, str(value)):
            raise UsageError(f"{name}={shown(value)}", "nothing is built from a name in a configuration")
        if isinstance(value, str) and "${" in value and not key.startswith("hydra"):
            raise ConfigError(name, value, "a plain value", "Interpolations (${...}) are not used here")


def unknown_key(key: str, value: object) -> UsageError:
    """The error for a key that exists nowhere, with the nearest that do."""
    known = known_keys()
    names = nearest(key, [name for name in known if not name.endswith(".name")] + [*TABLES, *COMMAND_KEYS])
    return UsageError(f"{key}={shown(value)}", "no such key", did_you_mean(names) or _members(key.partition(".")[0]))


def _members(node: str) -> str:
    names = [key.partition(".")[2] for key in known_keys() if key.startswith(f"{node}.") and not key.endswith(".name")]
    return f"{node} has {', '.join(names)}" if names else "See every key with --cfg job"


def _load_node(node: str, values: Any) -> Validated:
    if not isinstance(values, dict):
        raise ConfigError(node, values, f"a group of settings, such as {node}: {{...}}")
    cls = _class(node, values)
    names = [item.name for item in fields(cls)]
    for name, value in values.items():
        if name not in names:
            raise _foreign_key(node, str(name), value, str(values.get("name")))
    for name in names:
        if values.get(name, MISSING) == MISSING:
            raise ConfigError(cls.key(name), MISSING, "a value (it is missing)")
    return cls(**values)


def _class(node: str, values: dict[Any, Any]) -> type[Validated]:
    if node in NODES:
        return NODES[node]
    name = values.get("name")
    if not isinstance(name, str) or name not in TABLES[node]:
        raise ConfigError(f"{node}.name", name, "one of " + ", ".join(TABLES[node]))
    return TABLES[node][name]


def _foreign_key(node: str, name: str, value: object, option: str) -> UsageError:
    """The error for a key that this option of a group lacks but another one may have."""
    owners = [other for other, cls in TABLES.get(node, {}).items() if name in (item.name for item in fields(cls))]
    if not owners:
        return unknown_key(f"{node}.{name}", value)
    have = f"{', '.join(owners[:-1])} and {owners[-1]} have" if len(owners) > 1 else f"{owners[0]} has"
    return UsageError(f"{node}.{name}={shown(value)}", f"{option} has no {name}; {have}")


def _leaves(tree: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Every value that is not a container, and every `_target_`, under its dotted key."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in items:
        dotted = f"{key}.{name}" if key else str(name)
        if isinstance(value, dict | list) and name not in _BUILDERS:
            yield from _leaves(value, dotted)
        else:
            yield dotted, value
