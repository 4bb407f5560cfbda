"""A field's rule is checked when a node is made; what breaks it is told in one line."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest

from cifar.fields import ConfigError, Validated, choice, flag, flatten, integer, number, printable, rate, shown, text


@dataclass(frozen=True, kw_only=True)
class Oven(Validated):
    """A node with a field of each kind."""

    node = "oven"
    degrees: float = number(180.0, above=20, at_most=300)
    trays: int | None = integer(2, at_least=1, below=5, optional=True)
    humidity: float = rate(0.3)
    fan: bool = flag(True)
    heat: str = choice("top", "bottom", default="bottom")
    label: str | None = text(None, optional=True, longest=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"degrees": 20}, "oven.degrees=20: expected a number above 20 and at most 300"),
        ({"degrees": float("nan")}, "oven.degrees=nan: expected a number above 20 and at most 300"),
        ({"trays": 5}, "oven.trays=5: expected a whole number at least 1 and below 5 (or null)"),
        ({"trays": 2.0}, "oven.trays=2.0: expected a whole number at least 1 and below 5 (or null)"),
        ({"humidity": 1}, "oven.humidity=1: expected a number at least 0 and below 1"),
        ({"fan": 1}, "oven.fan=1: expected true or false"),
        ({"heat": "left"}, "oven.heat=left: expected one of top, bottom"),
        ({"label": "a b c d"}, "oven.label=a b c d: expected null or a line of text of 1 to 5 printable characters"),
    ],
)
def test_a_value_that_breaks_its_rule_is_one_exact_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Oven(**values)
    assert str(error.value) == message


def test_what_is_not_given_has_its_default() -> None:
    assert flatten(Oven()) == {
        "degrees": 180.0,
        "trays": 2,
        "humidity": 0.3,
        "fan": True,
        "heat": "bottom",
        "label": None,
    }


def test_null_is_taken_where_it_means_something() -> None:
    assert Oven(trays=None).trays is None
    with pytest.raises(ConfigError, match=r"^oven\.degrees=null: expected a number"):
        Oven(degrees=None)  # type: ignore[arg-type]


def test_a_whole_number_that_means_a_rate_is_kept_as_a_float() -> None:
    degrees = Oven(degrees=200).degrees
    assert (degrees, type(degrees)) == (200.0, float)


def test_a_value_cannot_be_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        Oven().fan = False  # type: ignore[misc]


def test_a_node_within_another_has_a_dotted_name() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Kitchen(Validated):
        oven: Oven
        seats: int = integer(4)

    flat = flatten(Kitchen(oven=Oven(label="left")))
    assert (flat["oven.label"], flat["seats"]) == ("left", 4)
    assert (Oven.key("label"), Kitchen.key("seats")) == ("oven.label", "seats")


# --- the message -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, "null"),
        (False, "false"),
        (0.1, "0.1"),
        ("two\nlines\x1b[31m", "two\\nlines\\x1b[31m"),
        ("\u00e9", "\u00e9"),
        ("\ud800", "\\ud800"),
        ("x" * 59, "x" * 59),
        ("x" * 1000, "x" * 57 + "..."),
    ],
)
def test_a_value_is_shown_as_one_short_printable_line(value: object, line: str) -> None:
    assert shown(value) == line


def test_line_breaks_are_told_by_their_codes() -> None:
    assert printable("a\tb\r\n") == "a\\tb\\r\\n"


def test_an_error_crosses_processes_whole() -> None:
    error = ConfigError("a.b", 3, "less", "Try 2")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.key, copy.value, copy.expected, copy.hint) == ("a.b", 3, "less", "Try 2")
    assert str(copy) == str(error) == "a.b=3: expected less. Try 2"
