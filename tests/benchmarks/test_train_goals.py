"""What benchmarks.train was to reach."""

from typing import Any

import pytest

from benchmarks.train_goals import goals


def figure(median: float) -> dict[str, float]:
    return {"median": median, "min": median / 2, "max": median * 2}


def results(**costs: Any) -> dict[str, Any]:
    rates = {"ours": 1500.0, "keras": 1000.0, "keras_jax": 1200.0, "torch": 1400.0}
    return {
        "models": {
            "model2": {
                "images_per_second": {name: figure(rate) for name, rate in rates.items()},
                "faster_than": {name: figure(1500 / rate) for name, rate in rates.items() if name != "ours"},
                "share_of_sgemm": {"ours": figure(0.5)},
            }
        },
        "costs": costs,
    }


def reached(found: list[dict[str, Any]], words: str) -> list[bool]:
    return [goal["reached"] for goal in found if words in goal["what"]]


def test_the_best_plain_backend_of_keras_is_the_one_to_beat() -> None:
    found = goals(results())
    assert reached(found, "keras_jax, the best of 2 plain Keras backends (the goal)") == [True]
    assert reached(found, "keras_jax, the best of 2 plain Keras backends (the aim)") == [False]
    assert found[0]["found"] == "1.25 (0.62 - 2.50)"


def test_pytorch_and_the_machine_s_own_rate_are_judged_too() -> None:
    found = goals(results())
    assert reached(found, "PyTorch loop") == [False, False]
    assert reached(found, "SGEMM") == [True]


@pytest.mark.parametrize(("percent", "enough"), [(1.0, True), (1.01, False)])
def test_tracking_may_take_one_hundredth_of_the_shortest_epoch(percent: float, enough: bool) -> None:
    tracking = figure(0.01) | {"percent_of_model1_epoch": percent}
    assert reached(goals(results(tracking=tracking)), "tracking") == [enough]


def test_what_was_not_measured_is_no_goal_missed() -> None:
    assert goals({"models": {"model1": {"images_per_second": {"ours": figure(1.0)}}}, "costs": {}}) == []
