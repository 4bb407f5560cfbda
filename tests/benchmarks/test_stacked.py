"""The trials of benchmarks.many_trials are what this project's engine trains, however they are computed."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import stacked
from benchmarks.many_trials import draw
from benchmarks.many_trials_report import NAMES
from benchmarks.stacked import ALONE, STACKED, State, Trial, convolve, multiply, trainer
from cifar.config import DataConfig, Model1Config, RMSprop, RunConfig
from cifar.data import Dataset, Split

MOMENTUM = 0.5


@pytest.fixture(scope="module")
def engine(tiny_dataset: Dataset, tensorflow_on_cpu: None) -> Any:
    """(images, weights before, weights after): two steps of model1 without dropout, with TensorFlow."""
    from cifar.engines.tensorflow import TensorFlowEngine

    split = Split(tiny_dataset.train.images[:64], tiny_dataset.train.labels[:64])
    config = RunConfig(
        model=Model1Config(dropout_rate=0, dense_dropout_rate=0),
        optimizer=RMSprop(learning_rate=1e-4, momentum=MOMENTUM),
        data=DataConfig(name="sample", train_size=64, validation_size=20),
    )
    built = TensorFlowEngine(config, split)
    before = built.model.get_weights()
    built.run_epoch(np.arange(64, dtype=np.int32), lambda step: None)
    return split, before, built.model.get_weights()


@pytest.mark.parametrize("scan", [True, False])
def test_a_trial_alone_is_what_the_engine_trains(scan: bool, engine: Any) -> None:
    split, before, after = engine
    weights = [jnp.asarray(weight) for weight in before]
    assert [weight.shape for weight in weights] == list(stacked.SHAPES)
    zeros = [jnp.zeros_like(weight) for weight in weights]
    trial = Trial(*(jnp.float32(value) for value in (1e-4, MOMENTUM, 0, 0)), jnp.int32(0))
    given = jnp.asarray(split.images), jnp.asarray(split.labels), jnp.arange(64).reshape(2, 32)
    found, _ = trainer(ALONE, scan)(trial, State(weights, zeros, zeros, jnp.int32(0)), *given)
    far = [np.abs(theirs - start).max() for theirs, start in zip(after, before, strict=True)]
    for ours, theirs, way in zip(found.weights, after, far, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.1 * way)
        assert np.abs(ours - theirs).mean() < 1e-3 * way


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_convolution_as_a_product_is_the_convolution(padding: str) -> None:
    images, kernel = (
        jax.random.normal(jax.random.key(0), (2, 16, 16, 3)),
        jnp.arange(5 * 5 * 3 * 4.0).reshape(5, 5, 3, 4),
    )
    ours, theirs = (jax.jit(partial(layer, padding=padding))(images, kernel) for layer in (multiply, convolve))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=0.01)


def test_dropout_zeroes_its_share_and_scales_the_others_up() -> None:
    found = np.asarray(stacked._dropout(jnp.ones(100_000), jnp.float32(0.3), jax.random.key(0)))
    assert (found == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert found.max() == pytest.approx(1 / 0.7)


def test_trials_differ_in_all_that_they_may_differ_in() -> None:
    trials, states = draw(16)
    assert [len(set(map(float, values))) for values in trials] == [16, 2, 16, 16, 16]
    assert not np.array_equal(*stacked.lane(states, slice(0, 2)).weights[0])


def test_every_way_has_a_name_in_the_table() -> None:
    assert set(NAMES) == {"alone", "alone_products", *STACKED, "tensorflow"}
