"""Keras' `fit` on each of its backends, as its users have it, and on TensorFlow tuned as far as its guides go."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from benchmarks.tasks import Notes, Task
from cifar import compute
from cifar.config import NUM_CLASSES

TRIAL_ROUNDS = 3
STEPS_PER_CALL = 50
TUNED = {"TF_ENABLE_ONEDNN_OPTS": "1"}
"""Environment variables of who tunes: oneDNN's operations, which TensorFlow has by itself on newer processors only."""


def start_plain(backend: str) -> None:
    """Choose Keras' backend, before Keras is imported, with its own choice of threads.

    `compute.prepare` is for our engine: it sets the threads that suit that.
    """
    os.environ |= {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "KERAS_TORCH_DEVICE": "cpu"}
    with compute.without_native_greetings():
        import keras  # noqa: F401  (on every backend it imports TensorFlow, which greets)

        if backend == "tensorflow":
            import tensorflow as tf

            tf.config.set_visible_devices([], "GPU")
            tf.config.list_logical_devices()


class KerasFit:
    """The document's own way: compile and fit on float32 arrays with one-hot labels.

    The progress bar is off and only the epoch itself is timed, not what `fit` does before it: both to its advantage.
    """

    def __init__(self, backend: str = "tensorflow", steps_per_execution: int = 1) -> None:
        self._backend = backend
        self._steps_per_execution = steps_per_execution

    def build(self, task: Task) -> Notes:
        """Compile the model; turn the images into what the document gives to `fit`."""
        start_plain(self._backend)
        import keras

        from cifar.models import build_model
        from cifar.optimizers import build_optimizer

        config, split = task.config, task.load()
        optimizer = build_optimizer(config.optimizer, config.schedule, epochs=1, steps_per_epoch=config.steps_per_epoch)
        self._model = build_model(config.model, config.seed)
        self._model.compile(
            optimizer=optimizer,
            loss="categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=self._steps_per_execution,
        )
        images, labels = split.images.astype("float32") / 255, np.eye(NUM_CLASSES, dtype="float32")[split.labels]
        self._fed = {"x": images, "y": labels, "batch_size": config.training.batch_size}
        self._clock = keras.callbacks.LambdaCallback(on_epoch_begin=self._begin, on_epoch_end=self._end)
        return {"backend": self._backend, "steps_per_execution": self._steps_per_execution}

    def turn(self) -> float:
        """One epoch."""
        return self._epoch(self._fed)

    def _epoch(self, fed: dict[str, Any]) -> float:
        self._model.fit(**fed, epochs=1, verbose=0, callbacks=[self._clock])
        return self._seconds

    def _begin(self, *_: Any) -> None:
        self._started = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self._seconds = time.perf_counter() - self._started


class TunedKerasFit(KerasFit):
    """`fit` on TensorFlow with oneDNN, 50 steps a call, fed with arrays or by `tf.data`: whichever is faster here."""

    def __init__(self) -> None:
        super().__init__(steps_per_execution=STEPS_PER_CALL)

    def build(self, task: Task) -> Notes:
        """Try both ways to feed it, in turn."""
        os.environ |= TUNED
        notes = super().build(task)
        ways = {"arrays": self._fed, "tf.data": {"x": pipeline(task), "shuffle": False}}  # it shuffles by itself
        turns = [{name: self._epoch(fed) for name, fed in ways.items()} for _ in range(1 + TRIAL_ROUNDS)]
        counted = turns[1:]  # the first traces
        rates = {name: round(task.images / min(turn[name] for turn in counted), 1) for name in ways}
        chosen = max(rates, key=lambda name: rates[name])
        self._fed = ways[chosen]
        return notes | {"chosen": chosen, "images_per_second_when_tried": rates}


def pipeline(task: Task) -> Any:
    """The images as TensorFlow's guides advise: kept in memory, shuffled anew each epoch, read ahead."""
    import tensorflow as tf

    def prepared(images: Any, labels: Any) -> tuple[Any, Any]:
        return tf.cast(images, tf.float32) / 255, tf.one_hot(labels, NUM_CLASSES)

    split = task.load()
    images = tf.data.Dataset.from_tensor_slices((split.images, split.labels)).cache().shuffle(len(split))
    batches = images.batch(task.config.training.batch_size)
    return batches.map(prepared, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
