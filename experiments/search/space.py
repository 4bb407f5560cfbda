"""What a sweep searches: dotted config keys with ranges and choices, as a file of conf/space/ gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cifar.fields import ConfigError
from experiments.search.domains import Choices, Domain, Value, read_domain
from experiments.suggestions import did_you_mean, nearest

Point = dict[str, Value]
"""One setting: a value for each key whose condition holds."""

COMPARED = "optimizer"
"""Searched options of this key are compared with each other, unless the space names another key."""


@dataclass(frozen=True)
class Parameter:
    """A key, the values that it can take, and when it is there: while each key of `when` has one of the values."""

    key: str
    domain: Domain
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    def is_active(self, point: Mapping[str, Value]) -> bool:
        """Whether the values chosen so far ask for this one."""
        return all(key in point and point[key] in values for key, values in self.when)

    @property
    def is_group(self) -> bool:
        """Whether it picks a file of `conf/` (optimizer=sgd), which decides what other keys there are."""
        return is_group(self.key)


@dataclass(frozen=True)
class Space:
    """Parameters, conditions after what they depend on; `fixed` are values that a command line may replace.

    `default` are more of those, for the setting that the winner is compared with in the end. Each option of `compared`
    gets the same number of trials; None where nothing is compared.
    """

    name: str
    fixed: tuple[tuple[str, Value], ...]
    parameters: tuple[Parameter, ...]
    compared: str | None
    default: tuple[tuple[str, Value], ...] = ()

    def point(self, choose: Callable[[Parameter], Value]) -> Point:
        """The point of one choice after another; inactive parameters are not asked for."""
        point: Point = {}
        for parameter in self.parameters:
            if parameter.is_active(point):
                point[parameter.key] = choose(parameter)
        return point

    def points(self, values: Callable[[Parameter], Iterable[Value]]) -> Iterator[Point]:
        """Every combination of the values given for each parameter; the last parameter changes fastest."""
        yield from _combined(self.parameters, {}, values)

    def narrowed(self, key: str, value: Value) -> Space:
        """The part of the space where an unconditional key has this value."""
        kept = [item for item in self.parameters if all(k != key or value in values for k, values in item.when)]
        return replace(
            self,
            parameters=tuple(replace(item, domain=Choices((value,))) if item.key == key else item for item in kept),
            compared=None,
        )

    @property
    def strata(self) -> tuple[Value, ...]:
        """The options that are compared; empty when none are."""
        domains = [item.domain for item in self.parameters if item.key == self.compared]
        return domains[0].values if domains and isinstance(domains[0], Choices) else ()


def is_group(key: str) -> bool:
    """Whether a key names a group of `conf/` rather than a value in it."""
    return "." not in key and key != "seed"


def read_space(tree: Mapping[str, Any]) -> Space:
    """The space that a file describes; whether its keys exist is for `lay_out` to say.

    Raises:
        ConfigError: the description cannot be meant: an empty range, a condition on what is not searched, ...
    """
    _refuse_unknown("space", tree, ("name", "fixed", "search", "compare", "default"))
    name, search, fixed = tree.get("name"), tree.get("search"), tree.get("fixed") or {}
    default = tree.get("default") or {}
    if not isinstance(name, str):
        raise ConfigError("space.name", name, "the name of its file")
    if not search or not isinstance(search, Mapping):
        raise ConfigError("space.search", search, "at least one key with its values")
    for node, given in (("fixed", fixed), ("default", default)):
        if not isinstance(given, Mapping):
            raise ConfigError(f"space.{node}", given, "keys and their values")
    parameters: list[Parameter] = []
    for key, given in search.items():
        if key in fixed:
            raise ConfigError(f"space.fixed.{key}", fixed[key], "a key that is not searched as well")
        parameters += _parameters(str(key), given, parameters)
    compared = tree.get("compare") or next((p.key for p in parameters if p.key == COMPARED and not p.when), None)
    space = Space(name, tuple(fixed.items()), tuple(parameters), compared, tuple(default.items()))
    if compared is not None:
        _check_compared(space)
    return space


def _parameters(key: str, given: Any, above: list[Parameter]) -> list[Parameter]:
    """The parameters of one key: one, or one for each of its conditions."""
    several = isinstance(given, list) and given and all(isinstance(item, Mapping) for item in given)
    found: list[Parameter] = []
    for number, item in enumerate(given if several else [given]):
        place = f"space.search.{key}" + (f"[{number}]" if several else "")
        when: tuple[tuple[str, tuple[Value, ...]], ...] = ()
        if isinstance(item, Mapping):
            item = dict(item)
            when = _read_when(place, item.pop("when", None) or {}, above)
        parameter = Parameter(key, read_domain(place, key, item, is_group(key)), when)
        if any(not _exclude(parameter, other) for other in found):
            raise ConfigError(place, item, "a condition that does not hold together with another one of this key")
        found.append(parameter)
    return found


def _read_when(place: str, given: Any, above: list[Parameter]) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{place}.when", given, "keys and their values, such as {optimizer: sgd}")
    conditions: list[tuple[str, tuple[Value, ...]]] = []
    for key, value in given.items():
        parents = [item for item in above if item.key == key]
        if len(parents) != 1 or not isinstance(parents[0].domain, Choices):
            choices = [item.key for item in above if isinstance(item.domain, Choices)]
            raise ConfigError(
                f"{place}.when.{key}", value, "a key with choices, searched above", did_you_mean(nearest(key, choices))
            )
        values = tuple(value) if isinstance(value, list) else (value,)
        for item in values:
            if item not in parents[0].domain.values:
                expected = "one of " + ", ".join(map(str, parents[0].domain.values))
                raise ConfigError(f"{place}.when.{key}", item, expected)
        conditions.append((str(key), values))
    return tuple(conditions)


def _exclude(one: Parameter, other: Parameter) -> bool:
    """Whether the conditions of two never hold together."""
    theirs = dict(other.when)
    return any(key in theirs and not set(values) & set(theirs[key]) for key, values in one.when)


def _check_compared(space: Space) -> None:
    found = [item for item in space.parameters if item.key == space.compared]
    if len(found) != 1 or found[0].when or not isinstance(found[0].domain, Choices):
        keys = [item.key for item in space.parameters if not item.when and isinstance(item.domain, Choices)]
        hint = did_you_mean(nearest(str(space.compared), keys))
        raise ConfigError("space.compare", space.compared, "a key of the search with choices and no condition", hint)


def _combined(
    parameters: tuple[Parameter, ...], point: Point, values: Callable[[Parameter], Iterable[Value]]
) -> Iterator[Point]:
    if not parameters:
        yield point
    elif not parameters[0].is_active(point):
        yield from _combined(parameters[1:], point, values)
    else:
        for value in values(parameters[0]):
            yield from _combined(parameters[1:], {**point, parameters[0].key: value}, values)


def _refuse_unknown(place: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f"{place}.{key}", given[key], "no such key; there are " + ", ".join(known))
