"""What runs an epoch as compiled code: one engine for TensorFlow, one for JAX, with the same surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np

from cifar.config import RunConfig
from cifar.data import Split

Progress = Callable[[int], None]
"""Told several times a second how many steps of the epoch are done; on a GPU under JAX, at its end only. What it raises
ends the epoch at once."""


class DivergedError(ArithmeticError):
    """The loss, or a weight, stopped being a number; `step` counts from 1 within the epoch."""

    def __init__(self, step: int, what: str = "the loss") -> None:
        self.step, self.what = step, what
        super().__init__(f"{what} is not a finite number after step {step}")


@dataclass(frozen=True)
class Scores:
    """Means over the images that were seen."""

    loss: float
    accuracy: float


class Engine(Protocol):
    """A network, its optimizer and the training images, ready on a device."""

    model: keras.Sequential
    optimizer: keras.optimizers.Optimizer

    def run_epoch(self, order: np.ndarray, progress: Progress) -> Scores:
        """Train once over the n images in this order, shape (n,), in batches; the last one may be smaller.

        With `data.random_flip` the number i + n stands for image i mirrored, left to right.

        Raises:
            DivergedError: the loss became NaN or infinite.
        """

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class probabilities, (n, 10) float32, of uint8 images."""

    def take_dropout(self, model: keras.Sequential) -> bool:
        """Zero the shares that this network does, which has dropout in the same places; False: cannot, and did not."""


def build_engine(config: RunConfig, train: Split) -> Engine:
    """Make the engine of the backend that this process uses."""
    if config.compute.backend == "jax":
        from cifar.engines.jax import JaxEngine

        return JaxEngine(config, train)
    from cifar.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(config, train)


def read_state(engine: Engine) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Copies of the network's weights and of all of the optimizer's variables: slots, step, rate, loss scale."""
    return engine.model.get_weights(), [np.array(keras.ops.convert_to_numpy(v)) for v in engine.optimizer.variables]


def write_state(engine: Engine, weights: list[np.ndarray], optimizer: list[np.ndarray]) -> None:
    """Put back what `read_state` read, also from another process; the next epoch is the one that would have followed.

    Raises:
        ValueError: the arrays are those of another network or optimizer; nothing was put back.
    """
    pairs = list(zip([*engine.model.weights, *engine.optimizer.variables], [*weights, *optimizer], strict=True))
    for variable, values in pairs:
        if (tuple(variable.shape), variable.dtype) != (values.shape, str(values.dtype)):
            raise ValueError(
                f"{variable.path} is {variable.dtype} {tuple(variable.shape)}, not {values.dtype} {values.shape}"
            )
    for variable, values in pairs:
        variable.assign(values)


def seed_dropout(model: keras.Sequential, seed: int, epoch: int) -> None:
    """Set the state of every dropout layer from (seed, epoch), so that an epoch can be repeated on its own."""
    for index, generator in enumerate(_seed_generators(model)):
        key = np.random.SeedSequence([seed, epoch, index]).generate_state(1)[0]
        generator.state.assign(np.array([key >> 1, 0]))  # >> 1: the state is signed on one of the backends


def _seed_generators(model: keras.Sequential) -> list[Any]:
    found = (getattr(layer, "seed_generator", None) for layer in model.layers)
    return [generator for generator in found if generator is not None]
