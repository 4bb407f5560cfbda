from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from uuid import uuid4

import keras
import numpy as np
import pytest

from cifar.config import CLASS_NAMES, Model1Config, RunConfig
from cifar.data import Dataset
from cifar.evaluation import Evaluation, evaluate
from cifar.models import build_model
from cifar.training import Trained
from experiments import record
from experiments.record import final_metrics, layers_text, per_class, record_beginning, run_name, run_params
from experiments.schema import Settings
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store

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
