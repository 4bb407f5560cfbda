"""Optuna as its users write it; only where it is installed."""

import pytest

optuna = pytest.importorskip("optuna")

from benchmarks.our_sweep import draw_settings  # noqa: E402
from benchmarks.plain_optuna import search, suggest  # noqa: E402
from benchmarks.trials import SEARCH, SweepTask  # noqa: E402

TINY = SweepTask(trials=2, images=64, epochs=1, data="sample")


def test_its_space_is_that_of_this_project() -> None:
    trial = optuna.create_study().ask()
    suggest(trial)
    found = {name: (space.low, space.high, space.log) for name, space in trial.distributions.items()}
    assert found == {
        key.rpartition(".")[2]: (told["low"], told["high"], told.get("sampling") == "log")
        for key, told in SEARCH.items()
    }


def test_it_tries_the_settings_that_it_is_given_and_tells_what_came_out() -> None:
    settings = draw_settings(TINY)
    found = search(TINY, settings, 1)
    assert found["tried"] == settings
    assert found["finished"] == 2
    assert 0 <= found["best_val_accuracy"] <= 1
