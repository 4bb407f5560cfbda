from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cifar.fields import ConfigError
from experiments.search.domains import Choices, Domain, Range, Value, read_domain

RATE = "optimizer.learning_rate"
UNITS = "model.dense_units"


def read(key: str, given: Any) -> Domain:
    return read_domain(f"space.search.{key}", key, given, group="." not in key and key != "seed")


def test_a_list_is_choices_and_one_value_a_list_of_one() -> None:
    assert read("optimizer", ["sgd", "adam"]) == Choices(("sgd", "adam"))
    assert read("training.epochs", 15) == Choices((15,))
    assert read("model.max_norm", {"choices": [None, 3.0]}) == Choices((None, 3.0))
    assert read("optimizer.nesterov", {"value": True}) == Choices((True,))


def test_whether_numbers_are_whole_follows_from_the_key() -> None:
    assert read(RATE, {"low": 1, "high": 2}) == Range(1.0, 2.0, log=False, step=None, whole=False)
    assert read(UNITS, {"low": 1, "high": 2}) == Range(1, 2, log=False, step=None, whole=True)
    assert read("seed", {"low": 0, "high": 9}) == Range(0, 9, log=False, step=None, whole=True)
    assert read("optimizer.weight_decay", {"low": 0, "high": 1}) == Range(0.0, 1.0, log=False, step=None, whole=False)


@pytest.mark.parametrize(
    ("key", "given", "values"),
    [
        (RATE, {"low": 0.1, "high": 0.5, "step": 0.1}, (0.1, 0.2, 0.3, 0.4, 0.5)),
        (RATE, {"low": 0.1, "high": 0.55, "step": 0.1}, (0.1, 0.2, 0.3, 0.4, 0.5)),
        (RATE, {"low": 0.001, "high": 1, "step": 10, "sampling": "log"}, (0.001, 0.01, 0.1, 1.0)),
        (UNITS, {"low": 32, "high": 256, "step": 2, "sampling": "log"}, (32, 64, 128, 256)),
        (UNITS, {"low": 6, "high": 13, "step": 3}, (6, 9, 12)),
        (UNITS, {"low": 6, "high": 9}, (6, 7, 8, 9)),
    ],
)
def test_steps_reach_their_end(key: str, given: dict[str, Any], values: tuple[Value, ...]) -> None:
    domain = read(key, given)
    assert domain.listed == domain.spread(5) == values
    assert domain.ends == (values[0], values[-1])


def test_a_range_without_steps_is_spread_from_end_to_end() -> None:
    assert read(RATE, {"low": 0.001, "high": 0.1, "sampling": "log"}).spread(3) == (0.001, 0.01, 0.1)
    assert read(RATE, {"low": 0.0001, "high": 1}).spread(3) == (0.0001, 0.5, 1.0)
    assert read(UNITS, {"low": 1, "high": 1000, "sampling": "log"}).spread(4) == (1, 10, 100, 1000)
    assert read(UNITS, {"low": 1, "high": 101}).spread(3) == (1, 51, 101)
    assert read(RATE, {"low": 0.001, "high": 0.1}).listed is None


MISTAKES = [
    (RATE, [], "[]: expected at least one value"),
    (RATE, [1, 2, 1], "1: expected each value once"),
    (RATE, [[1]], "[1]: expected plain values"),
    (RATE, {"low": 0.1}, ".high=???: expected a number"),
    (RATE, {"low": 0.1, "high": "much"}, ".high=much: expected a number"),
    (RATE, {"low": 0.1, "high": math.inf}, ".high=inf: expected a number"),
    (RATE, {"low": 0.1, "high": True}, ".high=true: expected a number"),
    (RATE, {"low": 0.2, "high": 0.1}, ".high=0.1: expected more than low (0.2)"),
    (RATE, {"low": 0.1, "high": 0.1}, ".high=0.1: expected more than low (0.1)"),
    (RATE, {"low": 0, "high": 1, "sampling": "log"}, ".low=0.0: expected above 0 where sampling is log"),
    (RATE, {"low": 0, "high": 1, "sampling": "lin"}, ".sampling=lin: expected one of linear, log"),
    (RATE, {"low": 0, "high": 1, "step": 0}, ".step=0.0: expected above 0"),
    (RATE, {"low": 1, "high": 2, "step": 1, "sampling": "log"}, ".step=1.0: expected above 1, since it multiplies"),
    (RATE, {"low": 0, "high": 1, "step": 1e-9},
     ".step=1e-09: expected at most 10000 values; leave it out for any number"),
    (RATE, {"low": 0, "high": 1, "samplng": "log"},
     ".samplng=log: expected one of low, high, sampling, step, choices, value, when. Did you mean sampling?"),
    (RATE, {"min": 0, "high": 1},
     ".min=0: expected one of low, high, sampling, step, choices, value, when. Did you mean low?"),
    (RATE, {"low": 1, "high": 2, "log": True},
     ".log=true: expected one of low, high, sampling, step, choices, value, when. Did you mean sampling: log?"),
    (RATE, {"choices": [1], "low": 0}, ".low=0: expected nothing beside choices"),
    (UNITS, {"low": 1, "high": 2.5}, ".high=2.5: expected a whole number"),
    ("optimizer", {"low": 1, "high": 2},
     "{'low': 1, 'high': 2}: expected a list of values, since optimizer takes no numbers"),
    ("model.kernel_initializer", {"low": 1, "high": 2},
     "{'low': 1, 'high': 2}: expected a list of values, since model.kernel_initializer takes no numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "given", "said"), MISTAKES)
def test_what_cannot_be_meant_is_refused(key: str, given: Any, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(key, given)
    equals = "" if said.startswith(".") else "="
    assert str(error.value) == f"space.search.{key}{equals}{said}"


@pytest.mark.parametrize(
    ("key", "meant"), [("optimizer.lr", RATE), ("model.dense_unit", UNITS), ("modle.filters", "model.filters")]
)
def test_the_range_of_an_unknown_key_is_refused(key: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{key}=.*: no such key. Did you mean {meant}\?$"):
        read(key, {"low": 1, "high": 2})


@given(
    low=st.floats(1e-6, 1e3),
    factor=st.floats(1.001, 1e6),
    share=st.floats(0, 1),
    log=st.booleans(),
    whole=st.booleans(),
)
def test_what_is_kept_is_in_the_range_and_short(
    low: float, factor: float, share: float, log: bool, whole: bool
) -> None:
    domain = (
        Range(math.ceil(low), math.ceil(low * factor) + 1, log, None, True)
        if whole
        else Range(low, low * factor, log, None, False)
    )
    value = domain.keep(low + share * low * (factor - 1))
    assert domain.low <= value <= domain.high
    assert isinstance(value, int) if whole else value in (domain.low, domain.high) or float(f"{value:.4g}") == value
