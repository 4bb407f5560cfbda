from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cifar.fields import ConfigError
from experiments.search.config import PruningConfig, read_tuner
from experiments.search.plan import Base, Plan, plan_of
from experiments.search.space import read_space
from experiments.search.tuner import (
    BalancedTuner,
    BayesianTuner,
    GridTuner,
    HyperbandTuner,
    RandomTuner,
    initial_points,
)
from experiments.search.tuners import build_tuner, check_tuner, trials_to_make
from tests.experiments.search.sweeps import SMALL, SPACE, TUNERS, sweep_of

NONE = PruningConfig()


@pytest.mark.parametrize(
    ("name", "cls"),
    [("random", RandomTuner), ("grid", GridTuner), ("bayesian", BayesianTuner), ("hyperband", HyperbandTuner)],
)
def test_each_name_has_its_tuner(name: str, cls: type) -> None:
    config = read_tuner(TUNERS[name][0])
    assert type(build_tuner(config, read_space(SMALL), "val_loss", 0)) is cls
    balanced = build_tuner(config, read_space(SPACE), "val_loss", 0)
    assert type(balanced) is (HyperbandTuner if name == "hyperband" else BalancedTuner)


@pytest.mark.parametrize(
    ("tuner", "asked", "made"),
    [
        ({"name": "random"}, None, 20),
        ({"name": "random"}, 7, 7),
        ({"name": "bayesian"}, None, 20),
        ({"name": "grid", "points_per_range": 3}, None, 2 * 3 * 5 * 3 + 3 * 2 * 5 * 3),
        ({"name": "grid", "points_per_range": 3}, 50, 50),
        ({"name": "grid", "points_per_range": 3}, 500, 180),
        ({"name": "hyperband", "max_epochs": 9}, None, 23),
        ({"name": "hyperband", "max_epochs": 9}, 10, 10),
        ({"name": "hyperband", "max_epochs": 50}, None, 90),
    ],
)
def test_how_many_trials_are_made_is_known_before(tuner: dict[str, Any], asked: int | None, made: int) -> None:
    assert trials_to_make(asked, read_tuner(tuner), read_space(SPACE)) == made


def test_hyperband_needs_enough_trials_to_choose_among() -> None:
    with pytest.raises(ConfigError) as error:
        trials_to_make(9, read_tuner({"name": "hyperband", "max_epochs": 9}), read_space(SPACE))
    assert str(error.value) == (
        "sweep.max_trials=9: expected more than 9, since tuner=hyperband begins with 9 short trials. "
        "A smaller tuner.max_epochs begins with fewer"
    )


def plan(search: dict[str, Any] | None = None, **config: Any) -> Plan:
    made = plan_of(sweep_of())
    space = read_space({"name": "s", "search": search}) if search else made.space
    return Plan(space, tuple(Base(base.picks, {**base.tree, **config}) for base in made.bases), made.default)


def test_every_tuner_searches_the_made_up_space() -> None:
    for config, _, _ in TUNERS.values():
        check_tuner(read_tuner(config), NONE, plan())


@pytest.mark.parametrize(
    ("tuner", "pruning", "plan", "said"),
    [
        ("hyperband", NONE, plan({"training.epochs": [1, 2]}),
         "tuner=hyperband: expected another tuner, since space=s searches training.epochs itself"),
        ("hyperband", NONE, plan({"epochs": ["seed", "long"]}),
         "tuner=hyperband: expected another tuner, since space=s searches epochs itself"),
        ("hyperband", replace(NONE, rule="median"), plan(),
         "pruning=median: expected none, since tuner=hyperband stops trials by itself"),
        ("hyperband", NONE, plan(schedule={"name": "cosine"}),
         "schedule=cosine: expected one whose rate does not depend on training.epochs. "
         "tuner=hyperband lets a training go on for longer than it was begun for"),
    ],
)  # fmt: skip
def test_a_tuner_that_cannot_search_a_space_says_so(tuner: str, pruning: PruningConfig, plan: Plan, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_tuner(read_tuner(TUNERS[tuner][0]), pruning, plan)
    assert str(error.value) == said


def test_a_grid_of_a_long_range_is_refused() -> None:
    fine = {"optimizer.learning_rate": {"low": 0.0, "high": 1.0, "step": 0.0005}}
    with pytest.raises(ConfigError, match="at most 1000 values on a grid"):
        check_tuner(read_tuner({"name": "grid"}), NONE, plan(fine))


def test_a_hyperband_whose_shortest_trials_would_end_within_the_warm_up_is_refused() -> None:
    config = read_tuner({"name": "hyperband", "max_epochs": 9})
    for warmup in (0.5, 1):
        check_tuner(config, NONE, plan(schedule={"name": "constant", "warmup_epochs": warmup}))
    with pytest.raises(ConfigError) as error:
        check_tuner(config, NONE, plan(schedule={"name": "constant", "warmup_epochs": 2.0}))
    searched = {"schedule.warmup_epochs": {"low": 0.0, "high": 5.0}}
    with pytest.raises(ConfigError, match=r"^schedule\.warmup_epochs=5\.0: expected at most 1, the epochs"):
        check_tuner(config, NONE, plan(searched, schedule={"name": "constant", "warmup_epochs": 0.0}))
    assert str(error.value) == (
        "schedule.warmup_epochs=2.0: expected at most 1, the epochs of the shortest trials of tuner=hyperband"
    )


def test_a_bayesian_sweep_that_would_only_draw_at_random_is_refused() -> None:
    space = read_space(SPACE)  # two options, each with three keys at least
    each = min(initial_points(None, part) for part in (space.narrowed(space.compared or "", v) for v in space.strata))
    few, enough = len(space.strata) * each, len(space.strata) * each + 1
    assert trials_to_make(enough, read_tuner({"name": "bayesian"}), space) == enough
    with pytest.raises(ConfigError) as error:
        trials_to_make(few, read_tuner({"name": "bayesian"}), space)
    assert str(error.value) == (
        f"sweep.max_trials={few}: expected more than {few}, since tuner=bayesian draws {each} points at random first "
        f"for each of the {len(space.strata)} options of {space.compared}. "
        f"tuner.initial_points={each // 2} draws fewer"
    )
    with pytest.raises(ConfigError, match=r"^sweep\.max_trials=1: expected more than 3, .*\. Or choose tuner=random$"):
        trials_to_make(1, read_tuner({"name": "bayesian"}), read_space(SMALL))
