"""How findings are told."""

from __future__ import annotations

import pytest

from experiments.health.findings import plural, size, some


def test_of_many_names_the_first_are_told() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcde"), 3) == "a, b, c and 2 more"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 kB"), (999_000, "999 kB"), (12_345_678, "12 MB"), (1_500_000_000, "1.5 GB")]
)
def test_bytes_are_told_as_people_say_them(count: int, text: str) -> None:
    assert size(count) == text


def test_one_thing_is_one_thing() -> None:
    assert [plural(count, "run") for count in (0, 1, 2000)] == ["0 runs", "1 run", "2,000 runs"]
