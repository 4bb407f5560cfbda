"""Who is measured. Each peer has a process of its own: it builds a network, then trains an epoch at each turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from benchmarks.keras_fit import KerasFit, TunedKerasFit
from benchmarks.tasks import Notes, Task
from cifar import compute
from cifar.config import ComputeConfig

SGEMM_SIZE = 2048
SGEMM_REPEATS = 4
SGEMM_GFLOP = 2 * SGEMM_SIZE**3 * SGEMM_REPEATS / 1e9


class Peer(Protocol):
    """Something that can do a task again and again."""

    def build(self, task: Task) -> Notes:
        """Get ready for a task; nothing of this is timed."""

    def turn(self) -> float:
        """Do the task once; returns the seconds that it took."""


class Ours:
    """This project's engine: the loop over the epoch is in the graph."""

    def build(self, task: Task) -> Notes:
        """Trace the epoch."""
        compute.prepare(ComputeConfig(device="cpu"))
        from cifar.engines.tensorflow import TensorFlowEngine

        self._images = task.images
        self._epoch = 0
        self._engine = TensorFlowEngine(task.config, task.load())
        return {}

    def turn(self) -> float:
        """One epoch in a new order."""
        from cifar.training import epoch_order

        self._epoch += 1
        order = epoch_order(0, self._epoch, self._images)
        return seconds(lambda: self._engine.run_epoch(order, lambda step: None))


class Torch:
    """A hand-written PyTorch loop, in the fastest of several ways to write it."""

    def build(self, task: Task) -> Notes:
        """Write the loop in each way, try each for a moment, keep the fastest."""
        from benchmarks.torch_loop import fastest_loop

        self._loop, tried = fastest_loop(task.config, task.load())
        return {"chosen": self._loop.name, "images_per_second_when_tried": tried}

    def turn(self) -> float:
        """One epoch in a new order."""
        return seconds(self._loop.run_epoch)


class Sgemm:
    """The yardstick: products of two matrices, as fast as NumPy's BLAS can, which says what the machine can do now."""

    def build(self, task: Task) -> Notes:
        """Make the matrices."""
        self._matrix = np.random.default_rng(0).standard_normal((SGEMM_SIZE, SGEMM_SIZE), dtype=np.float32)
        self._product = np.empty_like(self._matrix)
        return {"size": SGEMM_SIZE, "products": SGEMM_REPEATS}

    def turn(self) -> float:
        """A few products."""

        def multiply() -> None:
            for _ in range(SGEMM_REPEATS):
                np.matmul(self._matrix, self._matrix, out=self._product)

        return seconds(multiply)


PEERS: dict[str, Callable[[], Peer]] = {
    "ours": Ours,
    "keras": KerasFit,
    "keras_jax": partial(KerasFit, "jax"),
    "keras_torch": partial(KerasFit, "torch"),
    "keras_tuned": TunedKerasFit,
    "torch": Torch,
    "sgemm": Sgemm,
}
"""In the order of their turns."""

PLAIN_KERAS = ("keras", "keras_jax", "keras_torch")
"""One step a call, as `fit` has it by itself."""

NEEDS = {"keras_jax": "jax", "keras_torch": "torch", "torch": "torch"}
"""The package without which a peer is left out."""


def seconds(work: Callable[[], Any]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
