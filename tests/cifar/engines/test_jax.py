"""The JAX engine trains as TensorFlow's does, where TensorFlow is not installed, by scan as by steps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cifar.config import SGD, DataConfig, Model3Config, RunConfig
from cifar.data import Dataset

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Dataset, tiny_data_config: DataConfig) -> Any:
    """One epoch with TensorFlow, the same with JAX in a process of its own: (scores, weights, JAX's folder, report)."""
    from cifar.engines.tensorflow import TensorFlowEngine

    folder = tmp_path_factory.mktemp("jax")
    model = Model3Config(filters=2, dense_units=8, max_norm=0.5, dropout_rate=0, dense_dropout_rate=0)
    config = RunConfig(model=model, optimizer=SGD(learning_rate=0.05, momentum=0.9), data=tiny_data_config)
    engine = TensorFlowEngine(config, tiny_dataset.train)
    order = np.random.default_rng(5).permutation(len(tiny_dataset.train))
    start = {f"weight{index}": value for index, value in enumerate(engine.model.get_weights())}
    np.savez(
        folder / "given.npz",
        images=tiny_dataset.train.images,
        labels=tiny_dataset.train.labels,
        order=order,
        weights=len(start),
        **start,
    )
    scores = engine.run_epoch(order, lambda step: None)
    script = Path(__file__).with_name("jax_process.py")
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return scores, engine.model.get_weights(), folder, json.loads((folder / "report.json").read_text())


@pytest.mark.parametrize("way", ["scan", "steps"])
def test_an_epoch_equals_that_of_tensorflow(both: Any, way: str) -> None:
    scores, weights, folder, report = both
    assert report[way]["loss"] == pytest.approx(scores.loss, rel=1e-5)
    assert report[way]["accuracy"] == pytest.approx(scores.accuracy)
    assert report[way]["steps"] == 3
    found = np.load(folder / f"{way}.npz")
    for ours, theirs in zip(weights, (found[name] for name in found.files), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_dropout_is_keyed_by_seed_and_epoch_by_scan_as_by_steps(both: Any) -> None:
    (scan, scan_again), (steps, steps_again) = both[3]["dropout"]
    assert scan == scan_again
    assert steps == steps_again
    assert scan == pytest.approx(steps, rel=1e-5)


def test_a_dropout_that_is_compiled_in_is_not_taken_for_another(both: Any) -> None:
    assert both[3]["takes dropout"] == [True, False]


def test_steps_that_are_unrolled_come_to_the_same(both: Any) -> None:
    one, two = both[3]["unrolled"]
    assert one == pytest.approx(two, rel=1e-5)
    assert one[0] != one[1]


def test_a_number_beyond_the_images_is_one_of_them_mirrored(both: Any) -> None:
    numbered, mirrored = both[3]["flipped"]
    assert numbered == pytest.approx(mirrored, rel=1e-6)


def test_many_images_are_predicted_as_their_batches_are(both: Any) -> None:
    assert both[3]["predicted"] is True


def test_predictions_are_probabilities(both: Any) -> None:
    assert both[3]["probabilities"] == pytest.approx([1.0] * 70, abs=1e-5)


def test_with_a_scaled_loss_float16_learns_as_float32_does(both: Any) -> None:
    half, full = both[3]["precisions"]
    assert half == pytest.approx(full, rel=0.01)
    assert half[3] < half[0] - 0.2


def test_a_loss_that_is_not_a_number_is_noticed(both: Any) -> None:
    assert both[3]["diverged"] == 3  # the loss is looked at every 20 steps and after the last


def test_a_whole_training_works_without_tensorflow(both: Any) -> None:
    history = both[3]["trained"]
    assert [set(metrics) >= {"loss", "val_accuracy", "images_per_second"} for metrics in history] == [True] * 12
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_training_in_two_goes_ends_with_the_bits_of_one(both: Any) -> None:
    once, twice = both[3]["two goes"]
    assert once == twice
