"""What a line of a journal may hold, looked at before a store hears of it: a store would fail in its own way."""

from __future__ import annotations

from collections.abc import Mapping

BAD_VALUES = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading a value raises that is missing or of another kind."""


def text(value: object) -> str:
    """The value, if it is a text that can be stored; JSON can hold halves of a character.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value


def texts(values: Mapping[object, object]) -> dict[str, str]:
    """The same for names and values."""
    return {text(name): text(value) for name, value in values.items()}


def number(value: object) -> float:
    """The value, if it is a number.

    Raises:
        TypeError, OverflowError: it is none, or too large.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError
    return float(value)


def whole(value: object) -> int:
    """The value, if it is a whole number that a database can hold.

    Raises:
        TypeError, OverflowError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    if abs(value) >= 2**63:
        raise OverflowError
    return value
