"""Each layer of model1 for itself, forward and backward, for one trial after another and for all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.peers import seconds
from benchmarks.report import Spread, spread
from benchmarks.stacked import convolve, multiply

Layer = Callable[[jax.Array, jax.Array], jax.Array]
"""Values and a kernel to values."""

LAYERS: dict[str, tuple[tuple[int, ...], tuple[int, ...], bool, dict[str, Layer]]] = {
    "conv1": (
        (32, 32, 3),
        (5, 5, 3, 32),
        True,
        {"xla": partial(convolve, padding="SAME"), "im2col": partial(multiply, padding="SAME")},
    ),
    "conv2": (
        (16, 16, 32),
        (5, 5, 32, 32),
        False,
        {"xla": partial(convolve, padding="VALID"), "im2col": partial(multiply, padding="VALID")},
    ),
    "dense": ((288,), (288, 512), False, {"xla": jnp.matmul}),
}
"""Shape of one image's values, of the kernel, whether all trials have the same values, and ways to compute it."""


def layer_times(trials: int, batch: int, repeats: int) -> dict[str, Any]:
    """Milliseconds for a trial, by layer and way."""
    return {"trials": trials, "milliseconds": {name: _times(name, trials, batch, repeats) for name in LAYERS}}


def _times(name: str, trials: int, batch: int, repeats: int) -> dict[str, Spread]:
    values, kernel, shared, ways = LAYERS[name]
    keys = jax.random.split(jax.random.key(0))
    inputs = jax.random.normal(keys[0], (batch, *values) if shared else (trials, batch, *values))
    kernels = jax.random.normal(keys[1], (trials, *kernel))
    found: dict[str, Spread] = {}
    for way, layer in ways.items():
        both = gradients(layer, of_values=not shared)
        alone, stacked = jax.jit(both), jax.jit(jax.vmap(both, in_axes=(None if shared else 0, 0)))
        mapped = jax.jit(partial(_map, both, shared))
        lanes = [(inputs if shared else inputs[number], kernels[number]) for number in range(trials)]
        work: dict[str, Callable[[], Any]] = {
            f"{way}, in turn": partial(_in_turn, alone, lanes),
            f"{way}, vmap": partial(stacked, inputs, kernels),
            f"{way}, map": partial(mapped, inputs, kernels),
        }
        for told, run in work.items():
            jax.block_until_ready(run())
            turns = [seconds(partial(_to_the_end, run)) for _ in range(repeats)]
            found[told] = spread([1000 * turn / trials for turn in turns])
    return found


def gradients(layer: Layer, of_values: bool) -> Callable[..., Any]:
    """Forward and backward of a layer; the first one of a network needs no gradient of its values."""
    return jax.grad(lambda values, kernel: jnp.square(layer(values, kernel)).sum(), (0, 1) if of_values else 1)


def _in_turn(both: Callable[..., Any], lanes: Sequence[tuple[jax.Array, jax.Array]]) -> list[Any]:
    return [both(*one) for one in lanes]


def _to_the_end(run: Callable[[], Any]) -> None:
    jax.block_until_ready(run())


def _map(both: Callable[..., Any], shared: bool, inputs: jax.Array, kernels: jax.Array) -> Any:
    if shared:
        return lax.map(lambda kernel: both(inputs, kernel), kernels)
    return lax.map(lambda one: both(*one), (inputs, kernels))
