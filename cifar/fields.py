"""Fields of a configuration: frozen, typed values, each with a rule that is checked when it is made.

Standard library only. The dotted names in error messages (`optimizer.learning_rate`) are the names a user types on the
command line and finds again as MLflow params.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar


class ConfigError(ValueError):
    """A value of the user's that cannot be used.

    Carries the dotted `key`, the `value` that came in and what was `expected`; `hint` says how to mend it.
    """

    def __init__(self, key: str, value: object, expected: str, hint: str = "") -> None:
        super().__init__(key, value, expected, hint)  # all four, so that it crosses processes
        self.key, self.value, self.expected, self.hint = key, value, expected, hint

    def __str__(self) -> str:
        return f"{self.key}={shown(self.value)}: expected {self.expected}" + (f". {self.hint}" if self.hint else "")


def shown(value: object) -> str:
    """A value as one short printable line, for a message."""
    words = {None: "null", True: "true", False: "false"}
    line = words[value] if value is None or isinstance(value, bool) else str(value)
    line = printable(line[:60])
    return line if len(line) < 60 else line[:57] + "..."


def printable(text: str) -> str:
    """The text in one line, with a code for each line break and whatever else a terminal does not show."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


Rule = Callable[[str, Any], Any]
"""Takes the dotted key and the value that came in; returns the value to keep or raises ConfigError."""


def _bounds(at_least: float | None, above: float | None, at_most: float | None, below: float | None) -> str:
    lower = f"at least {at_least}" if at_least is not None else f"above {above}" if above is not None else ""
    upper = f"at most {at_most}" if at_most is not None else f"below {below}" if below is not None else ""
    return " and ".join(part for part in (lower, upper) if part)


def number(
    default: Any = ...,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    whole: bool = False,
    optional: bool = False,
) -> Any:
    """A finite number within bounds; `whole` takes integers only, `optional` takes null as well."""
    kind = "a whole number" if whole else "a number"
    expected = " ".join(part for part in (kind, _bounds(at_least, above, at_most, below)) if part)
    expected += " (or null)" if optional else ""

    def rule(key: str, value: Any) -> Any:
        if value is None and optional:
            return None
        allowed = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed) or not _finite(value):
            raise ConfigError(key, value, expected)
        inside = (
            (at_least is None or value >= at_least)
            and (above is None or value > above)
            and (at_most is None or value <= at_most)
            and (below is None or value < below)
        )
        if not inside:
            raise ConfigError(key, value, expected)
        return value if whole else float(value)

    return _field(default, rule)


def _finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def integer(default: Any = ..., **bounds: Any) -> Any:
    """A whole number within bounds (see `number`)."""
    return number(default, whole=True, **bounds)


def rate(default: Any = ...) -> Any:
    """A share of units that dropout switches off: from 0 up to, not including, 1."""
    return number(default, at_least=0, below=1)


def flag(default: Any = ...) -> Any:
    """true or false."""

    def rule(key: str, value: Any) -> Any:
        if not isinstance(value, bool):
            raise ConfigError(key, value, "true or false")
        return value

    return _field(default, rule)


def choice(*options: str, default: Any = ...) -> Any:
    """One of a few names."""

    def rule(key: str, value: Any) -> Any:
        if value not in options:
            raise ConfigError(key, value, "one of " + ", ".join(options))
        return value

    return _field(options[0] if default is ... else default, rule)


def text(default: Any = ..., *, optional: bool = False, longest: int = 250) -> Any:
    """A printable line of text, 1 to `longest` characters."""

    def rule(key: str, value: Any) -> Any:
        if value is None and optional:
            return None
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > longest:
            kind = "null or " if optional else ""
            hint = "" if not isinstance(value, int | float) else f"Quote it: \"{key}='{shown(value)}'\""
            raise ConfigError(key, value, f"{kind}a line of text of 1 to {longest} printable characters", hint)
        return value

    return _field(default, rule)


def _field(default: Any, rule: Rule) -> Any:
    if default is ...:
        return field(metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, kw_only=True)
class Validated:
    """A node of the configuration whose fields are checked when it is made.

    Raises:
        ConfigError: a field's value breaks its rule.
    """

    node: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for item in fields(self):
            if "rule" in item.metadata:
                value = item.metadata["rule"](self.key(item.name), getattr(self, item.name))
                object.__setattr__(self, item.name, value)

    @classmethod
    def key(cls, name: str) -> str:
        """The dotted name of a field, as it is typed on the command line."""
        return f"{cls.node}.{name}" if cls.node else name


def flatten(config: Validated) -> dict[str, Any]:
    """Every value under its dotted key, as on the command line and in MLflow: {"model.name": "model1", ...}."""
    return dict(_leaves("", asdict(config)))


def _leaves(prefix: str, node: Mapping[str, Any]) -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for name, value in node.items():
        dotted = f"{prefix}.{name}" if prefix else name
        leaves += _leaves(dotted, value) if isinstance(value, Mapping) else [(dotted, value)]
    return leaves
