"""The one-pass updates equal Keras' own, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cifar.config import OPTIMIZERS, Constant, OptimizerConfig

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

CASES: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.1},
    "sgd with momentum": {"learning_rate": 0.1, "momentum": 0.9},
    "sgd with nesterov": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
    "sgd with clipnorm": {"learning_rate": 0.1, "momentum": 0.9, "clipnorm": 0.5},
    "sgd with decay": {"learning_rate": 0.1, "weight_decay": 0.01},
    "rmsprop": {"learning_rate": 0.01},
    "rmsprop with momentum": {"learning_rate": 0.01, "momentum": 0.5},
    "rmsprop centered": {"learning_rate": 0.01, "centered": True},
    "adam": {"learning_rate": 0.01},
    "adam with amsgrad": {"learning_rate": 0.01, "amsgrad": True},
    "adamw": {"learning_rate": 0.01, "weight_decay": 0.1},
}


@pytest.mark.parametrize("case", CASES)
def test_ten_steps_equal_those_of_keras(case: str) -> None:
    from cifar.engines.fused import FUSED_CLASSES
    from cifar.optimizers import OPTIMIZER_CLASSES

    name = case.split()[0]
    config = OPTIMIZERS[name](**CASES[case])
    assert FUSED_CLASSES[name] is not OPTIMIZER_CLASSES[name]
    fused, keras_own = _ten_steps(config, FUSED_CLASSES), _ten_steps(config, OPTIMIZER_CLASSES)
    for ours, theirs in zip(fused, keras_own, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert not np.allclose(fused[0], _start()[0])


def test_so_do_those_of_weights_that_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    from cifar.engines import fused
    from cifar.optimizers import OPTIMIZER_CLASSES

    monkeypatch.setattr(fused, "LARGE", 1)
    monkeypatch.setattr(fused.tf.raw_ops, "ResourceApplyRMSProp", None)
    config = OPTIMIZERS["rmsprop"](learning_rate=0.01)
    pairs = zip(_ten_steps(config, fused.FUSED_CLASSES), _ten_steps(config, OPTIMIZER_CLASSES), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_max_norm_shrinks_the_columns_that_are_too_long_as_keras_does() -> None:
    import keras
    import tensorflow as tf

    from cifar.engines.fused import take_constraints

    start = np.array([[3.0, 0.3], [4.0, 0.4]], np.float32)  # columns of length 5 and 0.5
    constraint = keras.constraints.MaxNorm(3)
    variable = keras.Variable(start)
    variable.constraint = constraint
    tf.function(take_constraints([variable]))()
    np.testing.assert_allclose(variable.numpy(), np.asarray(constraint(start)), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(variable.numpy(), axis=0), [3.0, 0.5], rtol=1e-5)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("shape", [(256, 3), (100, 3), (3, 3, 4, 5)])
def test_max_norm_of_any_shape_is_that_of_keras(shape: tuple[int, ...], xla: bool) -> None:
    import keras
    import tensorflow as tf

    from cifar.engines.fused import take_constraints

    start = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    constraint = keras.constraints.MaxNorm(1.5)
    variable = keras.Variable(start)
    variable.constraint = constraint
    tf.function(take_constraints([variable], xla), jit_compile=xla)()
    np.testing.assert_allclose(variable.numpy(), np.asarray(constraint(start)), rtol=1e-5)
    assert not np.array_equal(variable.numpy(), start)


def test_max_norm_leaves_short_columns_alone_to_the_bit() -> None:
    import keras
    import tensorflow as tf

    from cifar.engines.fused import take_constraints

    start = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32) * 0.1
    variable = keras.Variable(start)
    variable.constraint = keras.constraints.MaxNorm(3)
    tf.function(take_constraints([variable]))()
    assert np.array_equal(variable.numpy(), start)


def _start() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)]


def _ten_steps(config: OptimizerConfig, classes: dict[str, Any]) -> list[np.ndarray]:
    import keras
    import tensorflow as tf

    from cifar.optimizers import build_optimizer

    variables = [keras.Variable(value) for value in _start()]
    optimizer = build_optimizer(config, Constant(), epochs=1, steps_per_epoch=10, classes=classes)
    optimizer.build(variables)
    rng = np.random.default_rng(1)
    step = tf.function(lambda *gradients: optimizer.apply(list(gradients), variables))
    for _ in range(10):
        step(*(tf.constant(rng.normal(size=v.shape).astype(np.float32)) for v in variables))
    assert int(optimizer.iterations) == 10
    return [variable.numpy() for variable in variables]
