"""How numbers, times and settings are written."""

from __future__ import annotations

import pytest

from experiments.results.statistics import Summary
from experiments.results.wording import count, duration, interval, listed, percent, settings, telling


def test_accuracies_are_percent_with_their_deviation() -> None:
    assert percent(Summary(3, 0.621, 0.004)) == "62.10 \N{PLUS-MINUS SIGN} 0.40"
    assert percent(Summary(1, 0.621, None)) == "62.10"
    assert percent(None) == "-"


def test_an_interval_stays_within_what_there_is() -> None:
    assert interval(Summary(3, 0.62, 0.01)) == "59.52 to 64.48"
    assert interval(Summary(2, 0.62, 0.2)) == "0.00 to 100.00"
    assert interval(Summary(1, 0.62, None)) == interval(None) == ""


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "-"), (0.3, "0.3 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (65, "1 min 5 s"), (7380, "2 h 3 min")],
)
def test_times_are_told_as_people_tell_them(seconds: float | None, told: str) -> None:
    assert duration(seconds) == told


def test_counts_have_commas_and_the_right_number() -> None:
    assert (count(1, "run"), count(1000, "run"), count(2, "has", "have")) == ("1 run", "1,000 runs", "2 have")


def test_long_lists_are_cut() -> None:
    assert (listed(["a"]), listed(["a", "b", "c"])) == ("a", "a, b and c")
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_settings_leave_out_what_is_not_set() -> None:
    values = {"model.name": "model1", "optimizer.learning_rate": "0.00042640001", "optimizer.clipnorm": "null"}
    columns = ["model.name", "optimizer.learning_rate", "optimizer.clipnorm", "optimizer.rho"]
    assert settings(values, columns) == "model1 learning_rate=0.0004264"
    assert settings({}, columns) == "no settings recorded"


def test_as_few_settings_are_named_as_tell_groups_apart() -> None:
    columns = ("model.name", "optimizer.learning_rate", "training.epochs", "data.train_size")
    groups = [
        {"model.name": "model1", "optimizer.learning_rate": "0.1", "training.epochs": "4"},
        {"model.name": "model1", "optimizer.learning_rate": "0.1", "training.epochs": "2", "data.train_size": "9"},
        {"model.name": "model2", "optimizer.learning_rate": "0.2", "training.epochs": "4"},
    ]
    assert telling(groups, columns) == ["model.name", "training.epochs"]
    assert telling(groups[1:], columns) == ["model.name"]
    assert telling([], columns) == ["model.name"]
