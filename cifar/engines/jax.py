"""Training epochs in JAX: a whole epoch as one `lax.scan` on a GPU, a compiled step on a CPU.

On a CPU XLA leaves convolutions inside a loop unoptimised (jax issue 12868), so the loop there is Python's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from cifar.config import RunConfig
from cifar.data import Split, with_mirrored
from cifar.engines import DivergedError, Progress, Scores
from cifar.engines.parts import build_parts, same_dropout

PREDICT_BATCH = 500
LOOK_EVERY = 20
"""Steps between two looks at the loss on a CPU: steps are started ahead of time, and a signal waits for them."""

State = tuple[list[jax.Array], list[jax.Array], list[jax.Array]]
"""Values of the trainable, the other and the optimizer's variables."""
Totals = tuple[jax.Array, jax.Array]
"""Sum of the losses and number of right answers."""


class JaxEngine:
    """A network and its training images on a CPU or a GPU (see `cifar.engines.Engine`).

    Args:
        config: the run's.
        train: the training images.
        scan: whether an epoch is one `lax.scan`; by default on anything but a CPU.
        unroll: steps that are one turn of the scan's loop: more of them compile longer and may run faster.
    """

    def __init__(self, config: RunConfig, train: Split, scan: bool | None = None, unroll: int = 1) -> None:
        self._scan = jax.default_backend() != "cpu" if scan is None else scan
        self._unroll = unroll
        self._batch_size = config.training.batch_size
        self.model, self.optimizer = build_parts(config)
        self._images, self._labels = _on_device(train, config.data.random_flip)
        self._step = jax.jit(self._one_step, donate_argnums=(0, 1))
        self._epoch = jax.jit(self._whole_epoch, donate_argnums=(0,))
        self._forward = jax.jit(self._probabilities)

    def run_epoch(self, order: np.ndarray, progress: Progress) -> Scores:
        """Train once over the images in this order (see `Engine`)."""
        batches, weights = self._batches(order)
        run = self._run_scan if self._scan else self._run_steps
        state, (loss, correct) = run(self._read(), batches, weights, progress)
        self._write(state)
        return Scores(float(loss) / len(order), float(correct) / len(order))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class probabilities of uint8 images (see `Engine`)."""
        trainable, others, _ = self._read()
        batches = (images[start : start + PREDICT_BATCH] for start in range(0, len(images), PREDICT_BATCH))
        # All are started before the first is waited for: a GPU computes one while the next is on its way to it.
        return np.concatenate(jax.device_get([self._forward(trainable, others, jnp.asarray(b)) for b in batches]))

    def take_dropout(self, model: keras.Sequential) -> bool:
        """Rates are constants of the compiled step (see `Engine`)."""
        return same_dropout(self.model, model)

    def _batches(self, order: np.ndarray) -> tuple[jax.Array, jax.Array]:
        """Indices and weights, each (steps, batch); the last batch is filled up with images of weight 0."""
        steps = math.ceil(len(order) / self._batch_size)
        padded = np.zeros(steps * self._batch_size, np.int32)
        padded[: len(order)] = order
        weights = np.arange(len(padded)) < len(order)
        shape = (steps, self._batch_size)
        return jnp.asarray(padded.reshape(shape)), jnp.asarray(weights.reshape(shape), jnp.float32)

    def _run_scan(
        self, state: State, batches: jax.Array, weights: jax.Array, progress: Progress
    ) -> tuple[State, Totals]:
        state, totals = self._epoch(state, self._images, self._labels, batches, weights)
        if not np.isfinite(float(totals[0])):
            raise DivergedError(len(batches))
        progress(len(batches))
        return state, totals

    def _run_steps(
        self, state: State, batches: jax.Array, weights: jax.Array, progress: Progress
    ) -> tuple[State, Totals]:
        totals = (jnp.zeros(()), jnp.zeros(()))
        for step in range(len(batches)):
            state, totals = self._step(state, totals, self._images, self._labels, batches[step], weights[step])
            if (step + 1) % LOOK_EVERY == 0 or step + 1 == len(batches):
                if not np.isfinite(float(totals[0])):
                    raise DivergedError(step + 1)
                progress(step + 1)
        return state, totals

    def _whole_epoch(
        self, state: State, images: jax.Array, labels: jax.Array, batches: jax.Array, weights: jax.Array
    ) -> tuple[State, Totals]:
        def body(carry: tuple[State, Totals], batch: tuple[jax.Array, jax.Array]) -> tuple[tuple[State, Totals], None]:
            return self._one_step(*carry, images, labels, *batch), None

        carry, _ = jax.lax.scan(body, (state, (jnp.zeros(()), jnp.zeros(()))), (batches, weights), unroll=self._unroll)
        return carry

    def _one_step(
        self,
        state: State,
        totals: Totals,
        images: jax.Array,
        labels: jax.Array,
        batch: jax.Array,
        weights: jax.Array,
    ) -> tuple[State, Totals]:
        trainable, others, slots = state
        pixels, truth = images[batch], labels[batch].astype(jnp.int32)
        differentiate = jax.value_and_grad(self._loss, has_aux=True)
        (_, (losses, right, others)), gradients = differentiate(trainable, others, slots, pixels, truth, weights)
        trainable, slots = self.optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, others, slots), (totals[0] + losses, totals[1] + right)

    def _loss(
        self,
        trainable: list[jax.Array],
        others: list[jax.Array],
        slots: list[jax.Array],
        pixels: jax.Array,
        truth: jax.Array,
        weights: jax.Array,
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, list[jax.Array]]]:
        images = pixels.astype(jnp.float32) / 255.0
        probabilities, others = self.model.stateless_call(trainable, others, images, training=True)
        losses = keras.losses.sparse_categorical_crossentropy(truth, probabilities) * weights
        right = jnp.sum((jnp.argmax(probabilities, axis=-1) == truth) * weights)
        mean = self._scale(slots)(jnp.sum(losses) / jnp.sum(weights))
        return mean, (jnp.sum(losses), right, others)

    def _scale(self, slots: list[jax.Array]) -> Callable[[jax.Array], jax.Array]:
        """What float16 multiplies its loss by; nothing for the other precisions."""
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            return lambda loss: loss
        mapping = list(zip(self.optimizer.variables, slots, strict=True))

        def scaled(loss: jax.Array) -> jax.Array:
            with keras.StatelessScope(state_mapping=mapping):
                return self.optimizer.scale_loss(loss)

        return scaled

    def _probabilities(self, trainable: list[jax.Array], others: list[jax.Array], pixels: jax.Array) -> Any:
        images = pixels.astype(jnp.float32) / 255.0
        return self.model.stateless_call(trainable, others, images, training=False)[0]

    def _read(self) -> State:
        # Copies: the compiled functions take over (donate) what they are given.
        groups = (self.model.trainable_variables, self.model.non_trainable_variables, self.optimizer.variables)
        trainable, others, slots = ([jnp.array(variable.value) for variable in group] for group in groups)
        return trainable, others, slots

    def _write(self, state: State) -> None:
        groups = (self.model.trainable_variables, self.model.non_trainable_variables, self.optimizer.variables)
        for variables, values in zip(groups, state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


@lru_cache(maxsize=1)
def _on_device(train: Split, flipped: bool) -> tuple[jax.Array, jax.Array]:
    """Images and labels on the device, once for all engines of a process that train on them."""
    train = with_mirrored(train) if flipped else train
    return jnp.asarray(train.images), jnp.asarray(train.labels)
