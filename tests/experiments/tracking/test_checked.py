from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments.tracking.checked import BAD_VALUES, number, text, texts, whole


def test_what_a_store_can_keep_stays_as_it_is() -> None:
    assert text("ü ✓ \n") == "ü ✓ \n"
    assert texts({"a": "1"}) == {"a": "1"}
    assert (number(3), number(0.5), whole(-(2**63) + 1)) == (3.0, 0.5, -(2**63) + 1)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        *((text, value) for value in (None, 5, ["a"], "\ud800")),
        *((texts, value) for value in ("ab", {"a": 1}, {1: "a"}, None)),
        *((number, value) for value in ("0.5", None, True, 10**400)),
        *((whole, value) for value in (1.5, "1", True, 2**63, -(2**63))),
    ],
)
def test_anything_else_is_refused(check: Callable[[Any], object], value: object) -> None:
    with pytest.raises(BAD_VALUES):
        check(value)
