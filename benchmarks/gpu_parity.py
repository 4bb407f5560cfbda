"""Does an accelerator come to what a processor comes to? The same steps on both, from the same state.

Every round begins with the processor's state. Dropout is part of it: JAX draws the same bits everywhere.
"""

from __future__ import annotations

import statistics
from typing import Any

import jax
import numpy as np

from benchmarks.parity import MOST, distance, judge
from cifar.config import RunConfig
from cifar.data import Split
from cifar.engines import read_state, seed_dropout, write_state
from cifar.engines.jax import JaxEngine
from cifar.training import epoch_order

ROUNDS = 6
BATCHES = 1.5
"""A round is an epoch over so many images: a whole batch, and half a one, which is filled up."""
State = tuple[list[np.ndarray], list[np.ndarray]]


class Side:
    """An engine on one device. Its split is a new object, since an engine finds its images on a device by it."""

    def __init__(self, config: RunConfig, split: Split, device: jax.Device, scan: bool, precision: str) -> None:
        self._config, self._images = config, len(split)
        self._device, self._precision = device, precision
        with jax.default_device(device):
            self._engine = JaxEngine(config, Split(split.images, split.labels), scan=scan)

    def fresh(self) -> State:
        """Weights and slots before any step."""
        return read_state(self._engine)

    def train(self, state: State, number: int) -> tuple[float, State]:
        """The loss of a round's steps from this state, and what they make of it."""
        with jax.default_device(self._device), jax.default_matmul_precision(self._precision):
            write_state(self._engine, *state)
            seed_dropout(self._engine.model, self._config.seed, number)
            order = epoch_order(self._config.seed, number, self._images)
            loss = self._engine.run_epoch(order, lambda step: None).loss
            return loss, read_state(self._engine)


def compare(config: RunConfig, split: Split) -> dict[str, Any]:
    """Train a little on this process' device and on its processor.

    Matrix products are at their full precision for that. How far JAX's default is from the processor (TF32 on many
    GPUs) is told too, and judged by nobody.

    Args:
        config: the network and its optimizer.
        split: at least two batches of images.

    Raises:
        ParityError: they are further apart than `MOST`.
    """
    images = int(BATCHES * config.training.batch_size)
    few = Split(split.images[:images], split.labels[:images])
    device = jax.devices()[0]
    reference = Side(config, few, jax.devices("cpu")[0], scan=False, precision="highest")
    sides = {"exact": Side(config, few, device, scan=True, precision="highest")}
    if device.platform != "cpu":
        sides["by_default"] = Side(config, few, device, scan=True, precision="default")
    apart = differences(reference, sides)
    exact = apart.pop("exact")
    judge(f"{config.model.name} on {device.device_kind}", exact)
    return {"rounds": ROUNDS, "at_most": MOST, **exact, **apart}


def differences(reference: Side, sides: dict[str, Side]) -> dict[str, dict[str, Any]]:
    """How far each is from the reference: the largest relative difference of a loss, the median `distance`."""
    state = reference.fresh()
    losses: dict[str, list[float]] = {name: [] for name in sides}
    weights: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1, ROUNDS + 1):
        expected, after = reference.train(state, number)
        for name, side in sides.items():
            loss, found = side.train(state, number)
            losses[name].append(abs(loss - expected) / expected)
            weights[name].append(distance(state[0], after[0], found[0]))
        state = after
    return {name: {"losses": max(losses[name]), "weights": statistics.median(weights[name])} for name in sides}
