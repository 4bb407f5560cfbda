"""Who is measured. Each peer has a process of its own: it builds a network, then trains an epoch at each turn."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from benchmarks.tasks import Task
from cifar import compute
from cifar.config import NUM_CLASSES, ComputeConfig

Notes = dict[str, Any]
"""What is worth knowing of how a peer was built; goes into the JSON as it is."""

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


def _start_plain_tensorflow() -> None:
    """TensorFlow as its users have it, with its own choice of threads: `compute.prepare` sets them for our engine."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with compute.without_native_greetings():
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")
        tf.config.list_logical_devices()


class KerasFit:
    """The document's own way: compile and fit on float32 arrays with one-hot labels.

    The progress bar is off and only the epoch itself is timed, not what `fit` does before it: both to its advantage.
    """

    def __init__(self, steps_per_execution: int = 1) -> None:
        self._steps_per_execution = steps_per_execution

    def build(self, task: Task) -> Notes:
        """Compile the model; turn the images into what the document gives to `fit`."""
        _start_plain_tensorflow()
        import keras

        from cifar.models import build_model
        from cifar.optimizers import build_optimizer

        config, split = task.config, task.load()
        self._images = split.images.astype("float32") / 255
        self._labels = np.eye(NUM_CLASSES, dtype="float32")[split.labels]
        self._batch_size = config.training.batch_size
        optimizer = build_optimizer(config.optimizer, config.schedule, epochs=1, steps_per_epoch=config.steps_per_epoch)
        self._model = build_model(config.model, config.seed)
        self._model.compile(
            optimizer=optimizer,
            loss="categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=self._steps_per_execution,
        )
        self._clock = keras.callbacks.LambdaCallback(on_epoch_begin=self._begin, on_epoch_end=self._end)
        return {"steps_per_execution": self._steps_per_execution}

    def turn(self) -> float:
        """One epoch."""
        self._model.fit(
            self._images, self._labels, batch_size=self._batch_size, epochs=1, verbose=0, callbacks=[self._clock]
        )
        return self._seconds

    def _begin(self, *_: Any) -> None:
        self._started = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self._seconds = time.perf_counter() - self._started


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
    "keras_tuned": lambda: KerasFit(steps_per_execution=50),
    "torch": Torch,
    "sgemm": Sgemm,
}
"""In the order of their turns."""


def seconds(work: Callable[[], Any]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
