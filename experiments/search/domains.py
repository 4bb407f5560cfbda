"""The values that one key of a space can take: a list of them, or a range with its sampling and steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from cifar.config import RunConfig
from cifar.fields import ConfigError
from experiments.schema import NODES, TABLES, unknown_key
from experiments.suggestions import did_you_mean, near_option

Value = bool | int | float | str | None

DIGITS = 4
"""Sampled numbers are rounded to so many significant digits, so that a person can read and type them."""

MOST_STEPS = 10_000


@dataclass(frozen=True)
class Choices:
    """A list of values."""

    values: tuple[Value, ...]

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that show whether the others can be used: here all of them."""
        return self.values

    @property
    def listed(self) -> tuple[Value, ...]:
        """Every value."""
        return self.values

    def spread(self, number: int) -> tuple[Value, ...]:
        """The values of a grid."""
        return self.values


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `sampling` log draws each power of ten as often as the next.

    `step` is added from value to value, or multiplied with where the sampling is log; None: any number.
    """

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that show whether the others can be used."""
        return (self.low, self.listed[-1] if self.listed else self.high)

    @property
    def listed(self) -> tuple[Value, ...] | None:
        """Every value; None for a range without steps."""
        if self.step is None:
            return tuple(range(int(self.low), int(self.high) + 1)) if self.whole and not self.log else None
        last = math.log(self.high / self.low, self.step) if self.log else (self.high - self.low) / self.step
        numbers = range(math.floor(last + 1e-9) + 1)  # 0.4 / 0.1 is a little less than 4
        return tuple(self.keep(self.low * self.step**i if self.log else self.low + i * self.step) for i in numbers)

    def spread(self, number: int) -> tuple[Value, ...]:
        """The values of a grid: those of the steps, else so many from end to end, evenly by the sampling."""
        if self.listed is not None and (self.step is not None or len(self.listed) <= number):
            return self.listed
        shares = [i / (number - 1) for i in range(number)]
        between = self.high / self.low if self.log else self.high - self.low
        values = [self.low * between**share if self.log else self.low + between * share for share in shares]
        return tuple(dict.fromkeys(self.keep(value) for value in values))

    def keep(self, value: float) -> Value:
        """The value as it is used: rounded, whole where the key wants that, within the range."""
        rounded = round(value) if self.whole else float(f"{value:.{DIGITS}g}")
        return min(max(rounded, self.low), self.high)


Domain = Choices | Range


def read_domain(place: str, key: str, given: Any, group: bool) -> Domain:
    """The values that a file describes for a key: a list, one value, or {low, high, sampling, step}.

    Args:
        place: where the description stands, for messages.
        key: what takes the values.
        given: the description.
        group: whether the key picks an option of a group.

    Raises:
        ConfigError: the description cannot be meant.
    """
    if isinstance(given, Mapping):
        _refuse_unknown(place, given)
        if "choices" in given or "value" in given:
            name = "choices" if "choices" in given else "value"
            others = [other for other in given if other != name]
            if others:
                raise ConfigError(f"{place}.{others[0]}", given[others[0]], f"nothing beside {name}")
            return read_domain(f"{place}.{name}", key, given[name], group)
        return _read_range(place, key, given, group)
    values = tuple(given) if isinstance(given, list) else (given,)
    if not values:
        raise ConfigError(place, given, "at least one value")
    for value in values:
        if not isinstance(value, Value):
            raise ConfigError(place, value, "plain values")
        if values.count(value) > 1:
            raise ConfigError(place, value, "each value once")
    return Choices(values)


FIELDS = ("low", "high", "sampling", "step", "choices", "value", "when")
_ALSO = {
    "min": "low",
    "max": "high",
    "min_value": "low",
    "max_value": "high",
    "values": "choices",
    "log": "sampling: log",
}


def _refuse_unknown(place: str, given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in FIELDS:
            near = _ALSO.get(name) or near_option(str(name), FIELDS)
            hint = did_you_mean([near] if near else [])
            raise ConfigError(f"{place}.{name}", given[name], f"one of {', '.join(FIELDS)}", hint)


def _read_range(place: str, key: str, given: Mapping[str, Any], group: bool) -> Range:
    kinds = set() if group else _kinds(key, given)
    if not kinds & {"int", "float"}:
        raise ConfigError(place, dict(given), f"a list of values, since {key} takes no numbers")
    whole = "float" not in kinds
    low, high = (_number(f"{place}.{name}", given.get(name, "???"), whole) for name in ("low", "high"))
    sampling = given.get("sampling", "linear")
    if sampling not in ("linear", "log"):
        raise ConfigError(f"{place}.sampling", sampling, "one of linear, log")
    log = sampling == "log"
    if not low < high:
        raise ConfigError(f"{place}.high", high, f"more than low ({low})")
    if log and low <= 0:
        raise ConfigError(f"{place}.low", low, "above 0 where sampling is log")
    step = given.get("step")
    if step is not None:
        step = _number(f"{place}.step", step, whole)
        if step <= (1 if log else 0):
            raise ConfigError(f"{place}.step", step, "above 1, since it multiplies" if log else "above 0")
        if (math.log(high / low, step) if log else (high - low) / step) > MOST_STEPS:
            raise ConfigError(f"{place}.step", step, f"at most {MOST_STEPS} values; leave it out for any number")
    return Range(low, high, log, step, whole)


def _number(place: str, value: Any, whole: bool) -> float:
    allowed = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed) or not math.isfinite(value):
        raise ConfigError(place, value, "a whole number" if whole else "a number")
    return value if whole else float(value)


def _kinds(key: str, given: Any) -> set[str]:
    """The types that some configuration takes for a key: {"float", "None"} of optimizer.weight_decay."""
    node, _, name = key.rpartition(".")
    classes = [*TABLES.get(node, {}).values()] or [NODES.get(node, RunConfig)]
    types = [
        str(item.type) for cls in classes for item in fields(cls) if item.name == name and (node or name == "seed")
    ]
    if not types or (node and node not in {*TABLES, *NODES}):
        raise unknown_key(key, given)
    return {kind for text in types for kind in text.split(" | ")}
