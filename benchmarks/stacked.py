"""Model1 with every setting of a trial as a number of the program, so that trials can be stacked and trained as one.

Plain JAX: Keras' layers and optimizers ask in Python whether a dropout rate or a momentum is 0, which a number that is
traced cannot answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

STRIDES, POOL = 2, 2
RHO, EPSILON = 0.9, 1e-7
SHAPES = ((5, 5, 3, 32), (32,), (5, 5, 32, 32), (32,), (288, 512), (512,), (512, 10), (10,))

Convolution = Callable[[jax.Array, jax.Array, str], jax.Array]
"""Images (n, h, w, c), a kernel (size, size, c, filters) and "SAME" or "VALID" to (n, h / 2, w / 2, filters)."""


class Trial(NamedTuple):
    """What trials may differ in; numbers, or arrays of one for each trial. RMSprop, as in the presets."""

    learning_rate: jax.Array
    momentum: jax.Array
    dropout_rate: jax.Array
    dense_dropout_rate: jax.Array
    seed: jax.Array


class State(NamedTuple):
    """Weights in Keras' order, RMSprop's two slots of each, and the steps that are done."""

    weights: list[jax.Array]
    squares: list[jax.Array]
    momenta: list[jax.Array]
    step: jax.Array


Tree = TypeVar("Tree", State, Trial)


def fresh(seed: int) -> State:
    """Before the first step: Glorot's uniform kernels, as Keras draws them but for the luck, and zeros."""
    rng = np.random.default_rng(seed)
    weights = []
    for shape in SHAPES:
        limit = math.sqrt(6 / ((shape[-1] + shape[-2]) * math.prod(shape[:-2]))) if len(shape) > 1 else 0.0
        weights.append(jnp.asarray(rng.uniform(-limit, limit, shape), jnp.float32))
    zeros = [jnp.asarray(np.zeros(shape, np.float32)) for shape in SHAPES]
    return State(weights, zeros, zeros, jnp.int32(0))


def stack(states: Sequence[Tree]) -> Tree:
    """One whose arrays have a first axis more: the trials."""
    return jax.tree.map(lambda *arrays: jnp.asarray(np.stack(arrays)), *states)  # JAX would compile for each shape


def lane(stacked: Tree, number: int) -> Tree:
    """One of those that were stacked."""
    return jax.tree.map(lambda array: jnp.asarray(np.asarray(array)[number]), stacked)


def convolve(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """As XLA has it; under `vmap` over kernels it becomes one convolution, grouped where images differ too."""
    return lax.conv_general_dilated(images, kernel, (STRIDES,) * 2, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def multiply(images: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """As a product of matrices (im2col), of which `vmap` makes a batch of them."""
    size = kernel.shape[0]
    if padding == "SAME":
        pads = lax.padtype_to_pads(images.shape[1:3], kernel.shape[:2], (STRIDES,) * 2, padding)
        images = jnp.pad(images, ((0, 0), *pads, (0, 0)))
    span = STRIDES * ((images.shape[1] - size) // STRIDES) + 1
    offsets = [(row, column) for row in range(size) for column in range(size)]
    parts = [images[:, i : i + span : STRIDES, j : j + span : STRIDES] for i, j in offsets]
    return jnp.concatenate(parts, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


def scores(
    weights: Sequence[jax.Array], images: jax.Array, trial: Trial, key: jax.Array, layers: Sequence[Convolution]
) -> jax.Array:
    """Logits (n, 10) of images in [0, 1], in training mode; `layers` compute the two convolutions."""
    conv1, bias1, conv2, bias2, dense, bias3, classes, bias4 = weights
    first, second = jax.random.split(key)
    values = jax.nn.relu(layers[0](images, conv1, "SAME") + bias1)
    values = jax.nn.relu(layers[1](values, conv2, "VALID") + bias2)
    count, height, width, filters = values.shape
    pooled = values.reshape(count, height // POOL, POOL, width // POOL, POOL, filters).max((2, 4))
    values = _dropout(pooled, trial.dropout_rate, first).reshape(count, -1)
    values = _dropout(jax.nn.relu(values @ dense + bias3), trial.dense_dropout_rate, second)
    return values @ classes + bias4


def _dropout(values: jax.Array, rate: jax.Array, key: jax.Array) -> jax.Array:
    return jnp.where(jax.random.bernoulli(key, 1 - rate, values.shape), values / (1 - rate), 0.0)


def train_step(
    trial: Trial, state: State, images: jax.Array, labels: jax.Array, layers: Sequence[Convolution]
) -> tuple[State, jax.Array]:
    """One step of one trial; returns the mean loss too."""
    key = jax.random.fold_in(jax.random.key(trial.seed), state.step)

    def loss_of(weights: list[jax.Array]) -> jax.Array:
        logits = scores(weights, images, trial, key, layers)
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()

    loss, gradients = jax.value_and_grad(loss_of)(state.weights)
    squares = [RHO * old + (1 - RHO) * g * g for old, g in zip(state.squares, gradients, strict=True)]
    scaled = [trial.learning_rate * g / jnp.sqrt(s + EPSILON) for g, s in zip(gradients, squares, strict=True)]
    momenta = [trial.momentum * old + step for old, step in zip(state.momenta, scaled, strict=True)]
    weights = [weight - step for weight, step in zip(state.weights, momenta, strict=True)]
    return State(weights, squares, momenta, state.step + 1), loss


Step = Callable[[Trial, State, jax.Array, jax.Array], tuple[State, jax.Array]]

ALONE: Step = partial(train_step, layers=(convolve, convolve))
"""Of one trial; all others are of stacked ones."""
PRODUCTS: Step = partial(train_step, layers=(multiply, multiply))
MIXED: Step = partial(train_step, layers=(convolve, multiply))


def at_once(step: Step) -> Step:
    """A step of stacked trials; the batch is the same for all."""
    return jax.vmap(step, in_axes=(0, 0, None, None))


def by_turns(step: Step) -> Step:
    """A step of stacked trials, one after another in one program."""
    return lambda trials, states, images, labels: lax.map(
        lambda one: step(one[0], one[1], images, labels), (trials, states)
    )


STACKED: dict[str, Step] = {
    "vmap": at_once(ALONE),
    "vmap_products": at_once(PRODUCTS),
    "vmap_mixed": at_once(MIXED),
    "map": by_turns(ALONE),
    "map_products": by_turns(PRODUCTS),
}


@lru_cache
def trainer(step: Step, scan: bool) -> Callable[..., tuple[State, jax.Array]]:
    """A function that trains over batches of indices: (trials, states, images, labels, batches) to states, last loss.

    Args:
        step: of one trial or of stacked ones, which share the batches.
        scan: whether the loop is in the program, as on a GPU; on a CPU convolutions in a loop are slow.
    """

    def on_batch(trials: Trial, states: State, images: jax.Array, labels: jax.Array, batch: jax.Array) -> tuple:
        return step(trials, states, images[batch].astype(jnp.float32) / 255, labels[batch].astype(jnp.int32))

    one = jax.jit(on_batch)

    def by_steps(trials: Trial, states: State, images: jax.Array, labels: jax.Array, batches: jax.Array) -> tuple:
        for batch in batches:
            states, losses = one(trials, states, images, labels, batch)
        return states, losses

    def by_scan(trials: Trial, states: State, images: jax.Array, labels: jax.Array, batches: jax.Array) -> tuple:
        def body(carry: State, batch: jax.Array) -> tuple[State, jax.Array]:
            return on_batch(trials, carry, images, labels, batch)

        states, losses = lax.scan(body, states, batches)
        return states, losses[-1]

    return jax.jit(by_scan) if scan else by_steps
