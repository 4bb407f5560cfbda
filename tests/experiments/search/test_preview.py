from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from experiments.search.config import read_tuner
from experiments.search.plan import overrides_of, plan_of
from experiments.search.preview import Foreseen, foresee
from experiments.search.records import Trial
from experiments.search.tuners import build_tuner
from tests.experiments.search.sweeps import SMALL, TUNERS, sweep_of


def foreseen(tuner: str, number: int, space: dict[str, Any] | None = None, **changes: Any) -> list[Foreseen]:
    config = read_tuner({**TUNERS[tuner][0], **changes})
    return foresee(config, plan_of(sweep_of(tuner, space)), "val_accuracy", 0, number)


@pytest.mark.parametrize("tuner", ["random", "grid"])
def test_what_does_not_depend_on_results_is_foreseen_exactly(tuner: str) -> None:
    sweep = sweep_of(tuner)
    tuner_ = build_tuner(read_tuner(sweep.tuner), plan_of(sweep).space, "val_accuracy", 0)
    trials: list[Trial] = []
    for number in range(1, 10):
        proposal = tuner_.propose(trials)
        assert proposal is not None
        trials.append(Trial(number, proposal.point, {}))
    found = foreseen(tuner, 9)
    assert [trial.settings for trial in found] == [" ".join(overrides_of(trial.point)) for trial in trials]
    assert {(trial.epochs, trial.images) for trial in found} == {(15, 15 * 45_000)}


def test_the_rungs_of_hyperband_are_foreseen_and_cost_what_they_add() -> None:
    found = foreseen("hyperband", 23)
    assert sum(trial.epochs for trial in found) == 9 * 1 + 3 * 2 + 1 * 6 + 5 * 3 + 2 * 6 + 3 * 9
    assert found[9].settings == "one of the best after epoch 1 goes on to epoch 3"
    assert (found[9].epochs, found[9].images) == (2, 2 * 45_000)


def test_of_bayesian_the_first_draws_are_foreseen() -> None:
    found = foreseen("bayesian", 5, initial_points=3)
    drawn = [trial.settings for trial in foreseen("random", 3, SMALL)]
    assert [trial.settings for trial in found] == [*drawn, *["what promises most then"] * 2]


def test_where_options_are_compared_bayesian_draws_for_each() -> None:
    space = {"name": "s", "search": {"optimizer": ["sgd", "adam"], "seed": {"low": 0, "high": 999}}}
    found = foreseen("bayesian", 6, space, initial_points=2)
    assert sorted(trial.settings for trial in found[4:]) == [
        "optimizer=adam and what promises most then",
        "optimizer=sgd and what promises most then",
    ]
    assert all("seed=" in trial.settings for trial in found[:4])


def test_a_space_that_ends_is_foreseen_to_its_end() -> None:
    found = foreseen("random", 9, {"name": "s", "search": {"seed": [1, 2, 3]}})
    assert sorted(trial.settings for trial in found) == ["seed=1", "seed=2", "seed=3"]
    assert asdict(found[0])["number"] == 1
