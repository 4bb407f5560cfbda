"""The files of conf/: every option of every group holds exactly the keys of its dataclass, and everything composes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from itertools import product
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from cifar.config import MODELS, OPTIMIZERS, SCHEDULES, RMSprop, RunConfig
from cifar.fields import Validated
from experiments.schema import NODES, TABLES, load
from experiments.tracking.config import TrackingConfig

CONF = Path(__file__).resolve().parents[2] / "conf"
NODE_OF_GROUP = {"epochs": "training"}
GROUPS = ["model", "optimizer", "schedule", "epochs", "data", "compute", "tracking"]
OPTIONS = [(group, file.stem) for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))]

OURS = {
    ("optimizer", "rmsprop"): {"learning_rate": 0.0005},
    ("optimizer", "sgd"): {"momentum": 0.9},
    ("epochs", "quick"): {"epochs": 3},
    ("epochs", "long"): {"epochs": 50},
    ("data", "sample"): {"name": "sample", "validation_size": 500},
    ("compute", "cpu"): {"device": "cpu"},
    ("compute", "gpu"): {"device": "gpu"},
    ("tracking", "off"): {"enabled": False},
}
"""Where a file differs on purpose from the defaults of its dataclass, which are those of Keras."""


@pytest.fixture(scope="module")
def composed() -> Iterator[Callable[..., DictConfig]]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda *overrides: compose("config", list(overrides))


def class_of(group: str, option: str) -> type[Validated]:
    node = NODE_OF_GROUP.get(group, group)
    return NODES.get(node) or TABLES[node][option]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_a_file_has_exactly_the_keys_of_its_dataclass_and_its_defaults(group: str, option: str) -> None:
    values = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{option}.yaml"))
    cls = class_of(group, option)
    defaults = {item.name: item.default for item in fields(cls) if item.default is not MISSING}
    assert values == {**defaults, **OURS.get((group, option), {})}
    assert set(values) == {item.name for item in fields(cls)}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_of_every_group_composes_and_loads(
    composed: Callable[..., DictConfig], group: str, option: str
) -> None:
    assert load(composed(f"{group}={option}"))


def test_every_network_goes_with_every_optimizer_and_schedule(composed: Callable[..., DictConfig]) -> None:
    parts = {f"{group}={option}": composed(f"{group}={option}")[group] for group, option in OPTIONS if group in TABLES}
    base = composed()
    for names in product(MODELS, OPTIMIZERS, SCHEDULES):
        cfg = base.copy()
        for group, name in zip(TABLES, names, strict=True):
            cfg[group] = parts[f"{group}={name}"]
        run = load(cfg).run
        assert (run.model.name, run.optimizer.name, run.schedule.name) == names


def test_every_group_has_a_file_for_each_name_of_its_table() -> None:
    for group, table in TABLES.items():
        assert {file.stem for file in (CONF / group).glob("*.yaml")} == set(table)


def test_without_overrides_a_run_is_model1_with_the_rmsprop_that_was_found_for_it(
    composed: Callable[..., DictConfig],
) -> None:
    settings = load(composed())
    assert settings.run == RunConfig(optimizer=RMSprop(learning_rate=0.0005))
    assert settings.tracking == TrackingConfig()
