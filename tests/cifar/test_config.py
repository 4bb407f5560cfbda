"""Every value is checked when it is made, and the message is the line that a user reads."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from typing import Any

import pytest

from cifar import config
from cifar.config import (
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    SGD,
    Adam,
    ComputeConfig,
    Constant,
    DataConfig,
    Model1Config,
    Model3Config,
    RMSprop,
    RunConfig,
    TrainingConfig,
)
from cifar.fields import ConfigError, Validated, flatten

RATE = ": expected a number above 0 and at most 100"
TEXT = ": expected null or a line of text of 1 to 4096 printable characters"


def refusal(cls: type[Validated], **values: Any) -> str:
    with pytest.raises(ConfigError) as error:
        cls(**values)
    return str(error.value)


# --- single values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (RMSprop, {"learning_rate": 0}, "optimizer.learning_rate=0" + RATE),
        (RMSprop, {"learning_rate": -1e-3}, "optimizer.learning_rate=-0.001" + RATE),
        (SGD, {"learning_rate": math.nan}, "optimizer.learning_rate=nan" + RATE),
        (SGD, {"learning_rate": math.inf}, "optimizer.learning_rate=inf" + RATE),
        (SGD, {"learning_rate": 10**400}, f"optimizer.learning_rate=1{'0' * 56}..." + RATE),
        (SGD, {"learning_rate": "0.1"}, "optimizer.learning_rate=0.1" + RATE),
        (SGD, {"learning_rate": True}, "optimizer.learning_rate=true" + RATE),
        (SGD, {"learning_rate": None}, "optimizer.learning_rate=null" + RATE),
        (SGD, {"momentum": 1}, "optimizer.momentum=1: expected a number at least 0 and below 1"),
        (SGD, {"nesterov": 1}, "optimizer.nesterov=1: expected true or false"),
        (SGD, {"clipnorm": 0}, "optimizer.clipnorm=0: expected a number above 0 (or null)"),
        (SGD, {"name": "adam"}, "optimizer.name=adam: expected one of sgd"),
        (Model1Config, {"filters": 2.0}, "model.filters=2.0: expected a whole number at least 1 and at most 1024"),
        (Model1Config, {"dropout_rate": 1}, "model.dropout_rate=1: expected a number at least 0 and below 1"),
        (Model1Config, {"strides": 3}, "model.strides=3: expected a whole number at least 1 and at most 2"),
        (Model3Config, {"depth": 4}, "model.depth=4: expected a whole number at least 1 and at most 3"),
        (TrainingConfig, {"epochs": 0}, "training.epochs=0: expected a whole number at least 1 and at most 100000"),
        (TrainingConfig, {"batch_size": 0}, "training.batch_size=0: expected a whole number at least 1"),
        (TrainingConfig, {"max_minutes": 0}, "training.max_minutes=0: expected a number above 0 (or null)"),
        (TrainingConfig, {"checkpoint_every": -1}, "training.checkpoint_every=-1: expected a whole number at least 0"),
        (DataConfig, {"name": "mnist"}, "data.name=mnist: expected one of cifar10, sample"),
        (DataConfig, {"path": ""}, "data.path=" + TEXT),
        (DataConfig, {"path": "a\nb"}, "data.path=a\\nb" + TEXT),
        (
            DataConfig,
            {"path": 7},
            "data.path=7" + TEXT + ". Quote it: \"data.path='7'\"",
        ),
        (ComputeConfig, {"device": "tpu"}, "compute.device=tpu: expected one of auto, cpu, gpu"),
        (RunConfig, {"seed": -1}, "seed=-1: expected a whole number at least 0 and below 4294967296"),
        (RunConfig, {"seed": 2**32}, "seed=4294967296: expected a whole number at least 0 and below 4294967296"),
    ],
)
def test_a_value_out_of_range_is_one_exact_line(cls: type[Validated], values: dict[str, Any], message: str) -> None:
    assert refusal(cls, **values) == message


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (SGD, {"learning_rate": 100, "momentum": 0}),
        (Adam, {"learning_rate": 1e-300, "beta_2": 0.9999999}),
        (Model1Config, {"dropout_rate": 0, "dense_dropout_rate": 0.999, "filters": 1024}),
        (TrainingConfig, {"epochs": 100_000, "max_minutes": 1e-9, "early_stopping_patience": 1}),
        (TrainingConfig, {"checkpoint_every": 0}),
        (DataConfig, {"test_size": 10_000, "split_seed": 2**32 - 1}),
        (RunConfig, {"seed": 2**32 - 1}),
    ],
)
def test_the_bounds_themselves_are_allowed(cls: type[Validated], values: dict[str, Any]) -> None:
    made = cls(**values)
    assert {name: getattr(made, name) for name in values} == values


@pytest.mark.parametrize("table", [MODELS, OPTIMIZERS, SCHEDULES])
def test_a_table_names_its_classes_as_they_name_themselves(table: dict[str, type[Validated]]) -> None:
    assert [cls().name for cls in table.values()] == list(table)  # type: ignore[attr-defined]


# --- values that do not go together ----------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 9, 49_991, 50_000])
def test_validation_leaves_no_class_empty(size: int) -> None:
    assert refusal(DataConfig, validation_size=size) == (
        f"data.validation_size={size}: expected 0, or 10 to 49990, so that no class is left empty"
    )


@pytest.mark.parametrize("size", [0, 10, 49_990])
def test_validation_may_be_nothing_or_have_every_class(size: int) -> None:
    assert DataConfig(validation_size=size).train_images == 50_000 - size


def test_the_sample_has_bounds_of_its_own() -> None:
    assert refusal(DataConfig, name="sample", validation_size=1991) == (
        "data.validation_size=1991: expected 0, or 10 to 1990, so that no class is left empty"
    )


def test_no_more_images_train_than_are_left() -> None:
    assert DataConfig(train_size=45_000).train_images == 45_000
    assert refusal(DataConfig, train_size=45_001) == (
        "data.train_size=45001: expected at most 45000 (50000 images less 5000 for validation)"
    )


def test_a_batch_is_no_larger_than_the_data() -> None:
    data = DataConfig(train_size=64)
    assert RunConfig(data=data, training=TrainingConfig(batch_size=64)).steps_per_epoch == 1
    assert refusal(RunConfig, data=data, training=TrainingConfig(batch_size=65)) == (
        "training.batch_size=65: expected at most 64, the number of training images"
    )


@pytest.mark.parametrize(
    ("training", "typed"),
    [
        ({"early_stopping_patience": 3}, "training.early_stopping_patience=3"),
        ({"restore_best_weights": True}, "training.restore_best_weights=true"),
    ],
)
def test_what_looks_at_validation_needs_validation(training: dict[str, Any], typed: str) -> None:
    assert refusal(RunConfig, data=DataConfig(validation_size=0), training=TrainingConfig(**training)) == (
        f"{typed}: expected a validation set to judge by. Set data.validation_size, for example 5000"
    )


def test_only_one_kind_of_clipping_at_a_time() -> None:
    assert refusal(SGD, clipnorm=1.0, clipvalue=0.5) == (
        "optimizer.clipvalue=0.5: expected null while optimizer.clipnorm is set"
    )


def test_the_warm_up_fits_into_the_training() -> None:
    training = TrainingConfig(epochs=3)
    assert RunConfig(training=training, schedule=Constant(warmup_epochs=3)).schedule.warmup_epochs == 3
    assert refusal(RunConfig, training=training, schedule=Constant(warmup_epochs=3.5)) == (
        "schedule.warmup_epochs=3.5: expected at most training.epochs (3)"
    )


def test_mixed_precision_is_not_for_a_cpu() -> None:
    assert refusal(ComputeConfig, device="cpu", precision="bfloat16") == (
        "compute.precision=bfloat16: expected float32 on a CPU. Mixed precision is for GPUs: compute.device=gpu"
    )


@pytest.mark.parametrize(("images", "steps"), [(64, 2), (65, 3), (32, 1)])
def test_a_last_small_batch_is_a_step(images: int, steps: int) -> None:
    assert RunConfig(data=DataConfig(train_size=images)).steps_per_epoch == steps


# --- flat and whole --------------------------------------------------------------------------------


def test_flatten_gives_every_value_under_its_dotted_key() -> None:
    flat = flatten(RunConfig(model=Model3Config(depth=2), seed=7))
    assert flat["model.name"] == "model3"
    assert flat["model.depth"] == 2
    assert flat["optimizer.learning_rate"] == 5e-4
    assert flat["data.path"] is None
    assert flat["seed"] == 7
    nodes = ("model", "optimizer", "schedule", "training", "data", "compute")
    assert {key.partition(".")[0] for key in flat} == {*nodes, "seed"}
    run = RunConfig(model=Model3Config())
    assert len(flat) == 1 + sum(len(dataclasses.fields(getattr(run, node))) for node in nodes)


def test_the_module_needs_the_standard_library_only() -> None:
    source = f"import sys; sys.path.insert(0, {str(config.__file__).removesuffix('cifar/config.py')!r})"
    loaded = "import cifar.config; print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"{source}; {loaded}"], capture_output=True, check=True)
    assert set(done.stdout.decode().split()) <= {"cifar", "__main__"}
