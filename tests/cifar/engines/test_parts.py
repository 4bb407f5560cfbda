from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cifar.config import SGD, Adagrad, ComputeConfig, Cosine, DataConfig, Model1Config, RMSprop, RunConfig

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

CONFIG = RunConfig(
    model=Model1Config(filters=2, dense_units=4),
    data=DataConfig(name="sample", train_size=70, validation_size=20),
)


def test_the_network_has_the_weights_that_its_seed_draws() -> None:
    from cifar.engines.parts import build_parts
    from cifar.models import build_model

    drawn = build_model(CONFIG.model, seed=3).get_weights()
    for ours, theirs in zip(build_parts(replace(CONFIG, seed=3))[0].get_weights(), drawn, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    first = build_parts(CONFIG)[0].get_weights()[0]
    assert not np.array_equal(first, drawn[0])


def test_the_optimizer_has_all_of_its_variables_before_the_first_step() -> None:
    from cifar.engines.parts import build_parts

    model, optimizer = build_parts(replace(CONFIG, optimizer=Adagrad(initial_accumulator_value=0.25)))
    step, rate, *slots = optimizer.variables
    assert (int(step), float(rate)) == (0, pytest.approx(0.001))
    assert [tuple(slot.shape) for slot in slots] == [tuple(weight.shape) for weight in model.trainable_variables]
    assert {value for slot in slots for value in np.unique(slot)} == {np.float32(0.25)}


def test_an_engine_may_have_faster_classes_with_the_same_variables() -> None:
    from cifar.engines.fused import FUSED_CLASSES, FusedRMSprop
    from cifar.engines.parts import build_parts

    for config in (SGD(momentum=0.9), SGD(), RMSprop(), RMSprop(momentum=0.9, centered=True)):
        asked = replace(CONFIG, optimizer=config)
        plain, fused = build_parts(asked)[1], build_parts(asked, FUSED_CLASSES)[1]
        assert [tuple(item.shape) for item in plain.variables] == [tuple(item.shape) for item in fused.variables]
    assert isinstance(fused, FusedRMSprop)


def test_a_schedule_spans_the_epochs_of_the_run() -> None:
    from cifar.engines.parts import build_parts

    config = replace(CONFIG, optimizer=SGD(learning_rate=0.5), schedule=Cosine())
    optimizer = build_parts(config)[1]
    for step, rate in ((0, 0.5), (15, 0.375), (30, 0.125), (45, 0.0)):  # 15 epochs of 3 steps
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate, abs=1e-6)


def test_float16_scales_its_loss() -> None:
    import keras

    from cifar.engines.parts import build_parts

    optimizer = build_parts(replace(CONFIG, compute=ComputeConfig(precision="float16")))[1]
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert not isinstance(build_parts(CONFIG)[1], keras.optimizers.LossScaleOptimizer)


def test_dropout_is_the_same_where_the_same_shares_are_zeroed() -> None:
    from cifar.engines.parts import build_parts, dropout_layers, same_dropout

    def network(**rates: float) -> Any:
        return build_parts(replace(CONFIG, model=replace(CONFIG.model, **rates)))[0]

    assert [layer.rate for layer in dropout_layers(network(dropout_rate=0.1))] == [0.1, 0.5]
    assert [layer.rate for layer in dropout_layers(network(dense_dropout_rate=0))] == [0.25]
    assert same_dropout(network(dropout_rate=0.1), network(dropout_rate=0.1))
    assert not same_dropout(network(dropout_rate=0.1), network(dropout_rate=0.2))
