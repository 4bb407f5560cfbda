"""Sampling: within bounds, evenly by its scale, following conditions, and the same for the same seed."""

from __future__ import annotations

import math
from collections import Counter
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.search.domains import Choices, Range
from experiments.search.oracles import Draws, Gaussian, Grid, seed_of, to_point, to_values
from experiments.search.space import Point, Space, read_space
from tests.experiments.search.sweeps import SMALL, SPACE


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Ranges of all kinds, some of them under conditions on choices above them."""
    search: dict[str, Any] = {"model": [f"model{number}" for number in range(1, draw(st.integers(2, 3)) + 1)]}
    for key, whole in (("optimizer.learning_rate", False), ("model.dense_units", True), ("model.dropout_rate", False)):
        low = draw(st.integers(1, 50) if whole else st.floats(1e-5, 10))
        high = low * draw(st.integers(2, 30))
        given: dict[str, Any] = {"low": low, "high": high, "sampling": draw(st.sampled_from(["linear", "log"]))}
        if draw(st.booleans()):
            given["step"] = draw(st.integers(2, 5)) if whole or given["sampling"] == "log" else (high - low) / 7
        if draw(st.booleans()):
            given["when"] = {"model": draw(st.sampled_from(search["model"]))}
        search[key] = given
    search["model.max_norm"] = draw(st.sampled_from([[None, 3.0], [True, False, None], ["a", 1, 2.5]]))
    search["seed"] = {"when": {"model.max_norm": search["model.max_norm"][0]}, "choices": [1, 2]}
    return read_space({"name": "any", "search": search})


def check_point(space: Space, point: Point) -> None:
    """A point has exactly the keys whose conditions hold, with values of their domains."""
    active = []
    for parameter in space.parameters:
        if not parameter.is_active(point):
            continue
        active.append(parameter.key)
        value, domain = point[parameter.key], parameter.domain
        if isinstance(domain, Choices):
            assert value in domain.values
        else:
            assert isinstance(value, int if domain.whole else float)
            assert domain.low <= value <= domain.high
            assert domain.listed is None or value in domain.listed
    assert list(point) == active


@settings(deadline=None, max_examples=30)
@given(space=spaces(), seed=st.integers(1, 2**32 - 1))
def test_what_is_drawn_lies_in_the_space(space: Space, seed: int) -> None:
    draws = Draws(space)
    for number in range(5):
        point = draws.draw(seed_of(seed, number))
        check_point(space, point)
        assert to_point(space, to_values(space, point)) == point


@settings(deadline=None, max_examples=20)
@given(space=spaces())
def test_a_grid_has_every_combination_once_with_the_last_key_changing_fastest(space: Space) -> None:
    grid = Grid(space, 3)
    expected = list(space.points(lambda item: item.domain.spread(3)))[:50]
    assert [grid.point(number) for number in range(len(expected))] == expected
    for point in expected:
        check_point(space, point)


def test_a_grid_ends() -> None:
    grid = Grid(read_space(SPACE), 2)
    points = [point for number in range(99) if (point := grid.point(number))]
    assert points == list(read_space(SPACE).points(lambda item: item.domain.spread(2)))
    assert grid.point(0) == points[0]
    assert len(points) == 2 * 5 * 2 * 2 + 2 * 2 * 5 * 2


def shares(search: dict[str, Any], number: int = 1000) -> list[Any]:
    """The values of one key, drawn many times."""
    space = read_space({"name": "one", "search": search})
    draws = Draws(space)
    key = space.parameters[-1].key
    return [draws.draw(seed_of("shares", number))[key] for number in range(number)]


def test_log_sampling_draws_each_power_of_ten_as_often_as_the_next() -> None:
    rates = shares({"optimizer.learning_rate": {"low": 1e-5, "high": 1e-1, "sampling": "log"}})
    powers = Counter(math.floor(math.log10(rate)) for rate in rates)
    assert set(powers) == {-5, -4, -3, -2}
    assert all(200 < number < 300 for number in powers.values())


def test_linear_sampling_is_even_and_reaches_both_ends_of_whole_numbers() -> None:
    rates = shares({"model.dropout_rate": {"low": 0.0, "high": 0.8}})
    assert all(200 < number < 300 for number in Counter(int(rate // 0.2) for rate in rates).values())
    depths = Counter(shares({"model.depth": {"low": 1, "high": 3}}))
    assert set(depths) == {1, 2, 3}
    assert all(280 < number < 390 for number in depths.values())


def test_steps_and_choices_are_drawn_evenly() -> None:
    units = Counter(shares({"model.dense_units": {"low": 32, "high": 256, "sampling": "log", "step": 2}}))
    assert set(units) == {32, 64, 128, 256}
    assert all(200 < number < 300 for number in units.values())
    assert set(shares({"model.max_norm": [None, 2.0, 3.0]})) == {None, 2.0, 3.0}


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("log", [True, False])
def test_rounding_does_not_leave_the_range(whole: bool, log: bool) -> None:
    domain = Range(1, 10, log, None, whole) if whole else Range(0.100049, 0.899951, log, None, whole)
    space = Space("edge", (), (read_space(SMALL).parameters[0].__class__("x.y", domain),), None)
    for edge in (domain.low, domain.high * (1 + 1e-12), 11 if whole else 0.9):
        assert domain.low <= to_point(space, {"0": edge})["x.y"] <= domain.high  # type: ignore[operator]


def test_a_seed_draws_the_same_again_and_another_seed_something_else() -> None:
    one, other = Draws(read_space(SPACE)), Draws(read_space(SPACE))
    assert [one.draw(seed) for seed in range(1, 6)] == [other.draw(seed) for seed in range(1, 6)]
    assert one.draw(1) != one.draw(2)


def test_seeds_are_never_none_and_tell_their_parts_apart() -> None:
    seeds = [seed_of(seed, number, attempt) for seed in (0, 1) for number in range(50) for attempt in range(3)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 < seed < 2**32 for seed in seeds)
    assert seed_of(0, 1, 0) == 1674369982
    assert seed_of(1, 11) != seed_of(11, 1)


def test_the_gaussian_process_goes_where_scores_are_low() -> None:
    space = read_space(SMALL)
    past = [({"model.dropout_rate": rate}, (rate - 0.6) ** 2) for rate in (0.0, 0.2, 0.4, 0.5, 0.65, 0.7, 0.9)]
    gaussian = Gaussian(space)
    first = gaussian.suggest(5, past)
    assert 0.5 < first["model.dropout_rate"] < 0.7  # type: ignore[operator]
    assert gaussian.suggest(5, past) == first, "nothing is remembered"
    assert Gaussian(space).suggest(5, past) == first


def test_nothing_of_keras_tuner_s_is_written(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Draws(read_space(SPACE)).draw(1)
    grid = Grid(read_space(SPACE), 2)
    for number in count():
        if grid.point(number) is None:
            break
    assert list(tmp_path.iterdir()) == []
