from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from cifar.fields import ConfigError
from experiments.search.config import (
    TUNERS,
    BayesianConfig,
    HyperbandConfig,
    PruningConfig,
    SweepConfig,
    read_node,
    read_tuner,
)
from experiments.usage import CONF


def tree(group: str, name: str) -> dict[str, Any]:
    found = OmegaConf.to_container(OmegaConf.load(Path(CONF, group, f"{name}.yaml")))
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def test_every_tuner_has_a_file_with_its_defaults() -> None:
    assert {file.stem for file in (CONF / "tuner").glob("*.yaml")} == set(TUNERS)
    for name, cls in TUNERS.items():
        assert read_tuner(tree("tuner", name)) == cls(name=name)


def test_every_rule_of_pruning_has_a_file_with_its_defaults() -> None:
    assert {file.stem for file in (CONF / "pruning").glob("*.yaml")} == {"none", "median", "halving"}
    for file in (CONF / "pruning").glob("*.yaml"):
        assert read_node(PruningConfig, tree("pruning", file.stem)) == PruningConfig(rule=file.stem)


def test_settings_are_read_from_plain_values() -> None:
    assert read_tuner({"name": "hyperband", "max_epochs": 9}) == HyperbandConfig(max_epochs=9)
    assert read_tuner({"name": "bayesian", "initial_points": 4}) == BayesianConfig(initial_points=4)
    assert read_node(SweepConfig, {"max_trials": None, "seed": 0}).objective == "val_accuracy"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "rendom"},
         "tuner=rendom: expected one of random, grid, bayesian, hyperband. Did you mean tuner=random?"),
        ({}, "tuner=null: expected one of random, grid, bayesian, hyperband"),
        ({"name": "grid", "points": 3}, "tuner.points=3: expected no such key; tuner has name, points_per_range. "
         "Did you mean tuner.points_per_range?"),
        ({"name": "hyperband", "factor": 1}, "tuner.factor=1: expected a whole number at least 2 and at most 100"),
        ({"name": "hyperband", "max_epochs": 1},
         "tuner.max_epochs=1: expected a whole number at least 2 and at most 100000"),
    ],
)  # fmt: skip
def test_a_tuner_that_is_not_there_or_cannot_be_so_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_tuner(given)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"objective": "test_accuracy"}, "sweep.objective=test_accuracy: expected one of val_accuracy, val_loss"),
        ({"max_trials": 0}, "sweep.max_trials=0: expected a whole number at least 1 and at most 100000 (or null)"),
        ({"max_minutes": 0}, "sweep.max_minutes=0: expected a number above 0 (or null)"),
        ({"seed": -1}, "sweep.seed=-1: expected a whole number at least 0 and below 4294967296"),
        ({"max_trails": 3}, "Did you mean sweep.max_trials?"),
    ],
)
def test_a_sweep_looks_at_validation_and_ends(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_node(SweepConfig, given)
    assert str(error.value).endswith(said)
