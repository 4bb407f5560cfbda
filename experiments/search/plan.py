"""A space laid over a configuration: every point becomes the settings of a run; a space that cannot be used is refused.

What Hydra composes is kept, so that no trial changes when a file of `conf/` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from omegaconf import OmegaConf

from cifar.config import RunConfig
from cifar.fields import ConfigError
from experiments.overrides import Checker
from experiments.schema import UsageError, load
from experiments.search.domains import Value
from experiments.search.records import Sweep
from experiments.search.space import Parameter, Point, Space, is_group, read_space
from experiments.tracking.config import TrackingConfig

MOST_BASES = 128
"""Each combination of the groups that are searched is composed, a tenth of a second each."""

MOST_CORNERS = 512
"""In a larger space each end of each range is tried, but not with every end of the others."""

UNSEARCHABLE = {
    "tracking": "where trials are recorded is not searched",
    "hydra": "Hydra's own settings are not searched",
    "compute": "one value for all trials, since a process sets up its device once",
}

Tree = dict[str, Any]
"""A whole configuration of a run, nested as in YAML."""


@dataclass(frozen=True)
class Base:
    """What was composed for some options of the searched groups: model=model1 optimizer=sgd."""

    picks: Point
    tree: Tree


@dataclass(frozen=True)
class Plan:
    """A space and what its values are set in; `default` is the setting that nobody searched, a whole configuration."""

    space: Space
    bases: tuple[Base, ...]
    default: Tree

    def tree(self, point: Mapping[str, Value], epochs: int | None = None) -> Tree:
        """The configuration of a trial; `epochs` where the tuner decides how long it trains.

        Raises:
            ConfigError: its values do not go together.
        """
        picks = {key: value for key, value in point.items() if is_group(key)}
        tree = deepcopy(next(base.tree for base in self.bases if base.picks == picks))
        values = {key: value for key, value in point.items() if key not in picks}
        for key, value in (values | ({"training.epochs": epochs} if epochs else {})).items():
            node, _, name = key.rpartition(".")
            (tree[node] if node else tree)[name] = value
        return asdict(read_tree(tree))


def plan_of(sweep: Sweep) -> Plan:
    """The space of a sweep over what was composed when it began."""
    bases = tuple(Base(base["picks"], base["config"]) for base in sweep.bases)
    return Plan(read_space(sweep.space), bases, dict(sweep.default))


def overrides_of(point: Mapping[str, Value]) -> list[str]:
    """A point as it is typed on a command line: ["optimizer=sgd", "optimizer.learning_rate=0.01"]."""
    return [f"{key}={_spelled(value)}" for key, value in point.items()]


def read_tree(tree: Tree) -> RunConfig:
    """The run of a whole configuration.

    Raises:
        ConfigError: it cannot be used.
    """
    return load(OmegaConf.create({**tree, "tracking": asdict(TrackingConfig())})).run


def lay_out(space: Space, typed: Sequence[str], checker: Checker) -> Plan:
    """Lay a space over what was typed and try its corners, so that no trial fails for what could be known before.

    Args:
        space: what to search.
        typed: overrides of a run, for all trials; they replace the space's fixed values.
        checker: knows `conf/`; Hydra has to be initialised.

    Raises:
        ConfigError: a key does not exist, or a value that the space holds cannot be used.
    """
    always = [*_fixed(space, typed, checker), *typed]
    combinations = _combinations(space)
    try:
        checker.parse(line for item in space.parameters for line in overrides_of({item.key: item.domain.ends[0]}))
        bases = tuple(Base(picks, _composed(picks, always, space, checker)) for picks in combinations)
        plan = Plan(space, bases, _compose(_default(space, typed, checker), checker))
        for picks in combinations:
            for point in corners(space, picks, MOST_CORNERS // len(combinations)):
                _refuse_blind(plan.tree(point))
    except ConfigError as error:
        raise UsageError(f"space={space.name}", str(error)) from error
    return plan


def corners(space: Space, picks: Point, most: int) -> Iterator[Point]:
    """Points of some options of the groups that show each end of each range, and each choice, at least once.

    Up to `most` of them also show every end with every other.
    """
    within = [item for item in space.parameters if not item.is_group]

    def chosen(ends: Mapping[Parameter, Value]) -> Point:
        return space.point(lambda item: picks[item.key] if item.is_group else ends[item])

    first = {item: item.domain.ends[0] for item in within}
    yield chosen(first)
    yield chosen({item: item.domain.ends[-1] for item in within})
    for item in within:
        for value in item.domain.ends:
            yield chosen({**first, item: value})
    every = space.points(lambda item: (picks[item.key],) if item.is_group else item.domain.ends)
    together = list(islice(every, most + 1))
    if len(together) <= most:
        yield from together


def _fixed(space: Space, typed: Sequence[str], checker: Checker) -> list[str]:
    """The space's fixed values that were not typed, once what was typed is found to go with the space."""
    axes = checker.axes(checker.parse(typed))
    given = {axis[0].key_or_group: str(axis[0].input_line) for axis in axes}
    for axis in axes:
        if len(axis) > 1:
            raise UsageError(str(axis[0].input_line), "one of several values; a sweep searches what its space names")
    for parameter in space.parameters:
        if parameter.key in given:
            raise UsageError(given[parameter.key], f"space={space.name} searches it")
        if reason := UNSEARCHABLE.get(parameter.key.partition(".")[0]):
            raise UsageError(f"space={space.name}", f"{parameter.key}: {reason}")
    return overrides_of({key: value for key, value in space.fixed if key not in given})


def _default(space: Space, typed: Sequence[str], checker: Checker) -> list[str]:
    """What is typed for the setting that the winner is compared with: as for all trials, but nothing searched."""
    given = {axis[0].key_or_group for axis in checker.axes(checker.parse(typed))}
    own = {**dict(space.fixed), **dict(space.default)}
    return [*overrides_of({key: value for key, value in own.items() if key not in given}), *typed]


def _combinations(space: Space) -> list[Point]:
    """Every combination of the searched groups' options."""
    groups = tuple(item for item in space.parameters if item.is_group)
    for item in groups:
        for key, values in item.when:
            if not is_group(key):
                expected = "conditions on groups only, since it picks a group"
                raise ConfigError(f"space.search.{item.key}.when.{key}", values[0], expected)
    every = Space(space.name, (), groups, None).points(lambda item: item.domain.ends)
    combinations = list(islice(every, MOST_BASES + 1))
    if len(combinations) > MOST_BASES:
        raise UsageError(f"space={space.name}", f"more than {MOST_BASES} combinations of groups")
    return combinations


def _composed(picks: Point, always: list[str], space: Space, checker: Checker) -> Tree:
    return _compose([*always, *overrides_of(next(corners(space, picks, 0)))], checker)


def _compose(typed: list[str], checker: Checker) -> Tree:
    job = checker.axes(checker.parse(typed))
    return asdict(checker.load(tuple(axis[0] for axis in job)).run)


def _refuse_blind(tree: Tree) -> None:
    size = tree["data"]["validation_size"]
    if size == 0:
        expected = "validation images, since a sweep chooses by nothing else"
        raise ConfigError("data.validation_size", size, expected, "Set data.validation_size, for example 5000")


def _spelled(value: Value) -> str:
    """A value as Hydra reads it back."""
    if isinstance(value, str):
        return value if value.replace("_", "").isalnum() and not value[0].isdigit() else f"'{value}'"
    return json.dumps(value)
