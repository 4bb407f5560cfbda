"""Keras' optimizers for TensorFlow with the same formulas in one pass over each weight.

Keras writes an update as five to nine tensor operations; TensorFlow has one kernel for the whole formula. The slots
are Keras' own variables, so a saved state fits the plain class too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from cifar.optimizers import OPTIMIZER_CLASSES

BLOCK = 128
LARGE = 100_000
"""Weights."""


class FusedSGD(keras.optimizers.SGD):
    """Gradient descent, with or without momentum."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update one variable."""
        if self.momentum == 0:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=learning_rate, delta=gradient)
            return
        slot = self.momentums[self._get_variable_index(variable)].value
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=slot.handle,
            lr=learning_rate,
            grad=gradient,
            momentum=self.momentum,
            use_nesterov=self.nesterov,
        )


class FusedRMSprop(keras.optimizers.RMSprop):
    """RMSprop, with or without momentum; the centered form stays Keras' own."""

    def build(self, variables: list[keras.Variable]) -> None:
        """Make the slots. The kernel wants a momentum slot even where there is no momentum."""
        if self.built:
            return
        super().build(variables)
        without = self.momentum == 0
        self._scratch = [
            tf.Variable(tf.zeros_like(v.value)) if without and not _is_large(v) else None for v in variables
        ]

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update one variable."""
        if self.centered:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        squares = self._velocities[index].value
        if self.momentum == 0 and _is_large(variable):  # the kernel would read and write a slot of zeros
            _rmsprop(variable, squares, gradient, tf.convert_to_tensor(learning_rate), self.rho, self.epsilon)
            return
        momentum = self._momentums[index].value if self.momentum > 0 else self._scratch[index]
        tf.raw_ops.ResourceApplyRMSProp(
            var=variable.handle,
            ms=squares.handle,
            mom=momentum.handle,
            lr=learning_rate,
            rho=self.rho,
            momentum=self.momentum,
            epsilon=self.epsilon,
            grad=gradient,
        )


def _is_large(variable: keras.Variable | tf.Variable) -> bool:
    """Whether an update takes longer than the call of what XLA compiled."""
    return math.prod(variable.shape) >= LARGE


@partial(tf.function, jit_compile=True, autograph=False)
def _rmsprop(
    variable: tf.Variable, squares: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor, rho: float, epsilon: float
) -> None:
    mean = rho * squares + (1 - rho) * gradient * gradient
    squares.assign(mean)
    variable.assign_sub(rate * gradient / tf.sqrt(mean + epsilon))


class _AdamStep:
    """The step that Adam and AdamW share; AMSGrad stays Keras' own."""

    def update_step(self: Any, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update one variable."""
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class FusedAdam(_AdamStep, keras.optimizers.Adam):
    """Adam."""


class FusedAdamW(_AdamStep, keras.optimizers.AdamW):
    """Adam with decoupled weight decay."""


FUSED_CLASSES = OPTIMIZER_CLASSES | {
    "sgd": FusedSGD,
    "rmsprop": FusedRMSprop,
    "adam": FusedAdam,
    "adamw": FusedAdamW,
}


def take_constraints(variables: list[keras.Variable], xla: bool = False) -> Callable[[], None]:
    """Take the constraints off the variables, and return a function that applies them where they bind.

    Keras rewrites a constrained weight after every step, four passes over it. A max-norm changes a weight only when
    some column is too long, so looking first (one pass) is enough. `xla`: whether the function will be compiled by it.
    """
    held = [(variable, variable.constraint) for variable in variables if variable.constraint is not None]
    for variable, _ in held:
        variable.constraint = None

    def apply() -> None:
        for variable, constraint in held:
            _constrain(variable.value, constraint, _plain_norm if xla else _norm)

    return apply


def _constrain(weight: tf.Variable, constraint: Any, measure: Callable[[tf.Variable, int], tf.Tensor]) -> None:
    norm = measure(weight, constraint.axis)

    def shrink() -> tf.Tensor:
        # Keras' own formula, with its epsilon.
        scale = tf.minimum(norm, constraint.max_value) / (keras.config.epsilon() + norm)
        weight.assign(weight * scale)
        return tf.constant(True)

    tf.cond(tf.reduce_any(norm > constraint.max_value), shrink, lambda: tf.constant(False))


def _norm(weight: tf.Variable, axis: int) -> tf.Tensor:
    """One kernel for squares, sum and root, which XLA does not have."""
    rows = weight.shape[0]
    if axis == 0 and len(weight.shape) == 2 and rows % BLOCK == 0:
        # TensorFlow sums over a long first axis on one thread, and 3 times slower than over many short ones.
        blocks = tf.reshape(weight, [rows // BLOCK, BLOCK, -1])
        return tf.math.reduce_euclidean_norm(tf.math.reduce_euclidean_norm(blocks, axis=1), axis=0, keepdims=True)
    return tf.math.reduce_euclidean_norm(weight, axis=axis, keepdims=True)


def _plain_norm(weight: tf.Variable, axis: int) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(tf.square(weight), axis=axis, keepdims=True))
