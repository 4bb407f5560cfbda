from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import keras
import numpy as np
import pytest
import yaml

from cifar.config import (
    CLASS_NAMES,
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    ComputeConfig,
    DataConfig,
    Model1Config,
    RunConfig,
    TrainingConfig,
)
from cifar.data import Dataset
from cifar.evaluation import Evaluation, evaluate
from cifar.fields import flatten
from cifar.models import build_model
from cifar.training import Trained
from experiments import record
from experiments.record import (
    as_yaml,
    final_metrics,
    fingerprint,
    layers_text,
    per_class,
    record_beginning,
    run_name,
    run_params,
)
from experiments.results.settings import LEFT_OUT
from experiments.schema import Settings
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")  # whoever uses it first sets it up for all

SETTINGS = Settings(RunConfig(), TrackingConfig())


def trained(history: list[dict[str, float]], best_epoch: int | None = None, model: Any = None) -> Trained:
    return Trained(
        model or keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]),
        np.asarray,
        history,
        "why",
        best_epoch,
        12.5,
    )


@pytest.fixture
def half_right() -> Evaluation:
    """Two images of class 0, one of them recognised, and none of the other classes."""
    return evaluate(np.eye(10, dtype=np.float32)[[0, 1]], [0, 0])


def artifacts(store: Store, settings: Settings, dataset: Dataset, config: str) -> tuple[Any, dict[str, str]]:
    """The run that `record_beginning` writes, and its artifacts as text."""
    with Recorder(settings.tracking, Path("outputs", uuid4().hex)) as recorder:
        record_beginning(recorder, dataset, "cifar10", config)
    folder = Path(recorder.artifact_uri)
    texts = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}
    return store.client.get_run(recorder.run_id), texts


def test_the_configuration_is_kept_whole_and_without_secrets() -> None:
    settings = Settings(RunConfig(seed=3), TrackingConfig(uri="https://me:canary@host"))
    text = as_yaml(settings)
    assert "canary" not in text
    told = yaml.safe_load(text)
    assert told.pop("tracking")["uri"] == "https://***@host"
    assert told == asdict(settings.run)


def test_a_run_is_named_after_what_was_trained() -> None:
    assert run_name(SETTINGS) == "model1-rmsprop-seed0"


def test_params_are_the_configuration_under_dotted_keys() -> None:
    params = run_params(SETTINGS)
    assert params["optimizer.learning_rate"] == 5e-4
    assert params["data.validation_size"] == 5000
    assert not [key for key in params if key.startswith("tracking")], "where a run is recorded does not change it"


def test_the_configuration_is_recorded_as_it_was_composed_without_secrets(
    store: Store, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary-token")
    _, files = artifacts(store, SETTINGS, tiny_dataset, "uri: https://me:canary@host/\nnote: canary-token\n")
    assert files["config.yaml"] == "uri: https://***@host/\nnote: ***\n"


def test_packages_are_recorded_and_the_diff_if_there_is_one(
    store: Store, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "uncommitted_diff", lambda: "")
    _, clean = artifacts(store, SETTINGS, tiny_dataset, "")
    monkeypatch.setattr(record, "uncommitted_diff", lambda: "+uri: https://me:canary@host/\n")
    _, dirty = artifacts(store, SETTINGS, tiny_dataset, "")
    assert sorted(clean) == ["config.yaml", "environment/packages.txt"]
    assert f"keras=={keras.__version__}" in clean["environment/packages.txt"].splitlines()
    assert dirty["environment/uncommitted.diff"] == "+uri: https://***@host/\n"


def test_each_split_that_there_is_is_an_input(store: Store, tiny_dataset: Dataset) -> None:
    run, _ = artifacts(store, SETTINGS, tiny_dataset, "")
    whole = Dataset(tiny_dataset.train, None, tiny_dataset.test, "made up", "1" * 64)
    without_validation, _ = artifacts(store, SETTINGS, whole, "")
    names = sorted(item.dataset.name for item in run.inputs.dataset_inputs)
    assert names == ["cifar10-test", "cifar10-train", "cifar10-validation"]
    assert sorted(item.tags[0].value for item in without_validation.inputs.dataset_inputs) == ["test", "train"]
    assert {item.dataset.digest for item in without_validation.inputs.dataset_inputs} == {"1" * 36}


def test_final_metrics_name_the_best_epoch_where_validation_tells(half_right: Evaluation) -> None:
    history = [{"loss": 2.0, "val_accuracy": 0.5}, {"loss": 1.0, "val_accuracy": 0.4}]
    metrics = final_metrics(trained(history, best_epoch=1), half_right)
    assert metrics.pop("test_loss") == pytest.approx(-math.log(1e-7) / 2, rel=1e-3)
    assert metrics == {
        "test_accuracy": 0.5,
        "epochs_run": 2,
        "training_seconds": 12.5,
        "parameters": 2,
        "best_epoch": 1,
        "best_val_accuracy": 0.5,
    }
    assert not {"best_epoch", "best_val_accuracy"} & final_metrics(trained([{"loss": 1.0}]), half_right).keys()


def test_the_layer_table_ends_with_the_total() -> None:
    lines = layers_text(trained([], model=build_model(Model1Config(), seed=0))).splitlines()
    assert lines[0].split() == ["conv1", "Conv2D", "16", "x", "16", "x", "32", "2,432"]
    assert lines[-1].split() == ["total", "181,162"]
    assert sum(int(line.split()[-1].replace(",", "")) for line in lines[:-1]) == 181_162


def test_a_class_without_images_is_null_and_the_json_is_json(half_right: Evaluation) -> None:
    shares = per_class(half_right)
    assert list(shares) == list(CLASS_NAMES)
    assert shares["airplane"] == 0.5
    assert json.loads(json.dumps(shares, allow_nan=False))["truck"] is None


# --- fingerprints ------------------------------------------------------------------------------------

DIGEST = "0" * 64

OTHERS: dict[str, Any] = {
    "seed": 1,
    "optimizer.momentum": 0.5,
    "optimizer.clipnorm": 1.0,
    "optimizer.clipvalue": 1.0,
    "optimizer.global_clipnorm": 1.0,
    "optimizer.weight_decay": 0.01,
    "model.kernel_initializer": "he_normal",
    "model.strides": 1,
    "model.pool_size": 1,
    "model.max_norm": None,
    "schedule.final_fraction": 0.5,
    "training.max_minutes": 5.0,
    "training.early_stopping_patience": 3,
    "data.name": "sample",
    "data.train_size": 100,
    "data.test_size": 100,
    "data.validation_size": 200,
    "data.path": "/elsewhere",
    "data.cache": "/elsewhere",
    "compute.device": "gpu",
    "compute.backend": "jax",
    "compute.threads": 3,
    "compute.precision": "bfloat16",
}
"""Another value of a key than its default, where half of that will not do."""


def another(key: str, value: Any) -> Any:
    if key in OTHERS:
        return OTHERS[key]
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value / 2


def changed(run: RunConfig, key: str) -> RunConfig:
    """The run with another value of one key."""
    value = another(key, flatten(run)[key])
    node, _, name = key.rpartition(".")
    return replace(run, **({node: replace(getattr(run, node), **{name: value})} if node else {name: value}))


def names(run: RunConfig) -> list[str]:
    """Its keys, but for those by which a group is picked, which change the whole node."""
    groups = ("model.name", "optimizer.name", "schedule.name")
    return [key for key in flatten(run) if key not in groups]


DATA = DataConfig(validation_size=100)  # which either data set has
RUNS = [
    *(RunConfig(model=cls(), data=DATA) for cls in MODELS.values()),
    *(RunConfig(optimizer=cls(), data=DATA) for cls in OPTIMIZERS.values()),
    *(RunConfig(schedule=cls(warmup_epochs=1), data=DATA) for cls in SCHEDULES.values()),
]
KEYS = {key: run for run in RUNS for key in names(run)}


@pytest.mark.parametrize("key", sorted(KEYS.keys() - {*LEFT_OUT}))
def test_a_run_with_another_value_of_any_setting_is_another_run(key: str) -> None:
    run = KEYS[key]
    other = changed(run, key)
    assert [name for name in names(run) if flatten(run)[name] != flatten(other)[name]] == [key]
    assert fingerprint(other, DIGEST) != fingerprint(run, DIGEST)


def test_every_network_optimizer_and_schedule_is_another_run() -> None:
    assert len({fingerprint(run, DIGEST) for run in RUNS}) == len(RUNS)


@pytest.mark.parametrize("key", LEFT_OUT)
def test_where_and_with_how_many_threads_it_was_trained_and_what_it_keeps_makes_no_other_run(key: str) -> None:
    run = RunConfig()
    other = changed(run, key)
    assert flatten(other)[key] != flatten(run)[key]
    assert fingerprint(other, DIGEST) == fingerprint(run, DIGEST)


def test_a_run_on_other_images_with_other_code_or_other_libraries_is_another_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = RunConfig()
    found = [fingerprint(run, DIGEST), fingerprint(run, "1" * 64)]
    with monkeypatch.context() as patch:
        patch.setattr(record, "code_digest", lambda: "another")
        found.append(fingerprint(run, DIGEST))
    with monkeypatch.context() as patch:
        patch.setattr(record, "library_versions", lambda: {"version.keras": "0"})
        found.append(fingerprint(run, DIGEST))
    assert len({*found}) == 4
    assert fingerprint(run, DIGEST) == found[0]


def test_equal_runs_that_were_made_apart_have_the_same_fingerprint() -> None:
    parts = {"training": TrainingConfig(), "data": DataConfig(), "compute": ComputeConfig()}
    assert fingerprint(RunConfig(**parts), DIGEST) == fingerprint(RunConfig(), DIGEST)
