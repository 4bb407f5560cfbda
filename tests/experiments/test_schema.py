from __future__ import annotations

import pickle
import random
from copy import deepcopy
from dataclasses import asdict, fields
from typing import Any

import pytest
from omegaconf import OmegaConf

from cifar.config import SGD, Cosine, DataConfig, Model3Config, RunConfig, TrainingConfig
from cifar.fields import ConfigError, Validated, flatten
from experiments.schema import NODES, TABLES, Settings, UsageError, load, read_params
from experiments.tracking.config import TrackingConfig
from experiments.tracking.spelling import spelled


def tree(**options: str) -> dict[str, Any]:
    """A whole configuration as plain values: the defaults, or `optimizer="adam"`."""
    run = asdict(RunConfig())
    run.update({node: asdict(TABLES[node][name]()) for node, name in options.items()})
    return {**run, "tracking": asdict(TrackingConfig())}


def load_tree(values: dict[str, Any]) -> Settings:
    return load(OmegaConf.create(values))


def set_value(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    values = deepcopy(values)
    *nodes, leaf = key.split(".")
    target = values
    for node in nodes:
        target = target.setdefault(node, {})
    target[leaf] = value
    return values


def test_a_configuration_becomes_the_objects_it_describes() -> None:
    settings = load_tree(tree())
    assert settings == Settings(run=RunConfig(), tracking=TrackingConfig())
    assert settings.run.optimizer.name == "rmsprop"


def test_objects_survive_the_way_through_a_configuration() -> None:
    for node, table in TABLES.items():
        for name in table:
            run = load_tree(tree(**{node: name})).run
            assert flatten(run) == flatten(load_tree({**asdict(run), "tracking": asdict(TrackingConfig())}).run)


def test_the_node_of_hydra_itself_is_left_alone() -> None:
    assert load_tree({**tree(), "hydra": {"launcher": {"_target_": "x"}}}).run == RunConfig()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("optimizer.lr", 0.1, "optimizer.lr=0.1: no such key. Did you mean optimizer.learning_rate?"),
        ("trainer.epoch", 3, "trainer.epoch=3: no such key. Did you mean training.epochs?"),
        ("epochs", 3, "epochs=3: no such key. Did you mean training.epochs?"),
        (
            "optimizer.beta_1",
            0.9,
            "optimizer.beta_1=0.9: rmsprop has no beta_1; adam, adamw, nadam, adamax and lion have",
        ),
        ("schedule.factor", 0.5, "schedule.factor=0.5: constant has no factor; step has"),
        ("optimizer.learning_rate", "???", "optimizer.learning_rate=???: expected a value (it is missing)"),
        ("optimizer.learning_rate", -1, "optimizer.learning_rate=-1: expected a number above 0 and at most 100"),
        ("optimizer.name", "sdg", "optimizer.name=sdg: expected one of " + ", ".join(TABLES["optimizer"])),
        ("optimizer.name", ["sgd"], "optimizer.name=['sgd']: expected one of " + ", ".join(TABLES["optimizer"])),
        ("training", 30, "training=30: expected a group of settings, such as training: {...}"),
        ("seed", None, "seed=null: expected a whole number at least 0 and below 4294967296"),
        ("seed", 2**32, "seed=4294967296: expected a whole number at least 0 and below 4294967296"),
        ("model._target_", "os.system", "model._target_=os.system: nothing is built from a name in a configuration"),
        ("extra.a._target_", "x", "extra.a._target_=x: nothing is built from a name in a configuration"),
        (
            "tracking.note",
            "${oc.env:HOME}",
            "tracking.note=${oc.env:HOME}: expected a plain value. Interpolations (${...}) are not used here",
        ),
        (
            "tracking.run_name",
            42,
            "tracking.run_name=42: expected null or a line of text of 1 to 250 printable characters. "
            "Quote it: \"tracking.run_name='42'\"",
        ),
    ],
)
def test_a_mistake_is_one_line_with_key_value_and_what_would_be_right(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_tree(set_value(tree(), key, value))
    assert str(error.value) == message


@pytest.mark.parametrize("key", ["seed", *(f"{node}.learning_rate" for node in ["optimizer"]), "training", "data.name"])
def test_a_missing_key_is_refused(key: str) -> None:
    values = tree()
    *nodes, leaf = key.split(".")
    del (values[nodes[0]] if nodes else values)[leaf]
    with pytest.raises(ConfigError, match=key):
        load_tree(values)


@pytest.mark.parametrize("target", ["os.system", "shutil.copy", "pathlib.Path.write_text"])
@pytest.mark.parametrize("place", ["", "model.", "optimizer.learning_rate.", "tracking.note.", "deep.er.still."])
def test_nothing_is_built_from_a_name(target: str, place: str) -> None:
    with pytest.raises(UsageError, match="nothing is built from a name"):
        load_tree(set_value(_without_leaf(place), f"{place}_target_", target))


def _without_leaf(place: str) -> dict[str, Any]:
    return set_value(tree(), place[:-1], {}) if place.count(".") > 1 else tree()


def test_a_value_deep_in_interpolations_is_not_resolved() -> None:
    values = tree()
    values["tracking"]["note"] = "${a.b}"
    values["a"] = {"b": "${c}"}
    values["c"] = "${oc.env:HOME}"
    with pytest.raises(ConfigError, match="expected a plain value"):
        load_tree(values)


def test_an_error_crosses_processes_whole() -> None:
    for error in (ConfigError("a", float("nan"), "b", "c"), UsageError("a=1", "b", "c")):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), copy.key, copy.hint) == (type(error), str(error), error.key, "c")


def test_a_value_is_shown_on_one_printable_line() -> None:
    assert str(ConfigError("a", "x\n\x1b[31m\ud800" + "y" * 99, "b")).isprintable()


# --- 500 random configurations, each with one fault ------------------------------------------------

NUMBERS = ["abc", "", "0.1", float("nan"), float("inf"), -float("inf"), -1, -1e-9, True, [0.1], {"a": 1}, 10**400]
BAD_VALUES: dict[str, list[Any]] = {
    "float": [*NUMBERS, None],
    "float | None": NUMBERS,
    "int": [*NUMBERS, None, 1.5, 1.0],
    "int | None": [*NUMBERS, 1.5, 1.0],
    "bool": [None, 0, 1, "true", "yes", []],
    "str": [None, 5, "", "a\nb", "x" * 9999, "${seed}", "${oc.env:HOME}", ["a"]],
    "str | None": [5, "", " ", "a\nb", "x" * 9999, "${oc.env:HOME}", {"_target_": "os.system"}],
}
"""Values that no field of the type takes."""


def random_fault(rng: random.Random) -> tuple[str, dict[str, Any]]:
    values = tree(**{node: rng.choice(list(table)) for node, table in TABLES.items()})
    node = rng.choice([*TABLES, *NODES])
    item = rng.choice(fields(_class(node, values)))
    key = f"{node}.{item.name}"
    kind = rng.choice(["value", "value", "value", "missing", "unknown", "no node"])
    if kind == "value":
        return key, set_value(values, key, rng.choice(BAD_VALUES[str(item.type)]))
    if kind == "missing":
        del values[node][item.name]
        return key, values
    if kind == "unknown":
        name = "".join(rng.choices("abcdefgh_", k=rng.randint(1, 12))) + "q"
        return f"{node}.{name}", set_value(values, f"{node}.{name}", 1)
    return node, set_value(values, node, rng.choice([None, 3, "x", []]))


def _class(node: str, values: dict[str, Any]) -> type[Validated]:
    return NODES.get(node) or TABLES[node][values[node]["name"]]


def test_of_500_random_faults_none_passes_and_each_is_named_on_one_line() -> None:
    rng = random.Random(0)
    for _ in range(500):
        key, values = random_fault(rng)
        with pytest.raises(ConfigError) as error:
            load_tree(values)
        message = str(error.value)
        assert key in message
        assert message.isprintable()


def test_recorded_params_become_the_run_that_they_tell_of() -> None:
    for run in (
        RunConfig(),
        RunConfig(
            model=Model3Config(max_norm=None, depth=2),
            optimizer=SGD(momentum=0.9, nesterov=True, learning_rate=1e-07),
            schedule=Cosine(warmup_epochs=0.5),
            training=TrainingConfig(epochs=3, max_minutes=1.5, early_stopping_patience=2),
            data=DataConfig(path="123", train_size=64),
            seed=2**32 - 1,
        ),
    ):
        params = {key: spelled(value) for key, value in flatten(run).items()}
        assert read_params({**params, "tracking.uri": "null", "sweep.seed": "0"}) == run


def test_what_an_older_version_did_not_record_has_its_default() -> None:
    assert read_params({"model.name": "model1", "optimizer.name": "sgd", "schedule.name": "constant"}) == RunConfig(
        optimizer=SGD()
    )


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({}, "model.name="),
        ({"model.name": "model9"}, "model.name=model9: expected one of model1, model2, model3"),
        ({"model.name": "model1", "model.depth": "2"}, "model.depth=2: model1 has no depth"),
        ({"model.name": "model1", "model.filters": "many"}, "model.filters=many: expected a whole number"),
    ],
)
def test_params_of_something_else_are_refused(params: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_params({"optimizer.name": "sgd", "schedule.name": "constant", **params})
    assert str(error.value).startswith(told)
