"""Who is timed by benchmarks.gpu: this project's engine and Keras' `fit`, on JAX, in one process, in turns."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Protocol

import keras
import numpy as np

from benchmarks.peers import seconds
from cifar.config import NUM_CLASSES, RunConfig
from cifar.data import Dataset, Split
from cifar.engines import read_state, write_state
from cifar.engines.jax import JaxEngine
from cifar.models import build_model
from cifar.optimizers import build_optimizer
from cifar.training import train


class Peer(Protocol):
    """Something that can train one network again and again. Every epoch is followed by validation."""

    epochs: int
    """Of a turn."""

    def first(self) -> float:
        """Get ready and train one epoch: seconds, compiling included."""

    def turn(self) -> float:
        """Train for `epochs` from fresh weights: seconds, nothing compiled."""


class Deaf:
    """A listener that does not listen."""

    def on_resume(self, history: list[dict[str, float]], warnings: list[str]) -> None: ...
    def on_step(self, epoch: int, step: int) -> None: ...
    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None: ...


class Ours:
    """`cifar.training.train` on an engine that is kept: what a run does but for its record, and a trial of a sweep."""

    def __init__(self, config: RunConfig, dataset: Dataset, unroll: int = 1) -> None:
        self.epochs = config.training.epochs
        self._config, self._dataset, self._unroll = config, dataset, unroll

    def first(self) -> float:
        """See `Peer`: images are brought to the device, the epoch is compiled."""
        return seconds(self._begin)

    def _begin(self) -> None:
        self._engine = JaxEngine(self._config, self._dataset.train, unroll=self._unroll)
        self._fresh = read_state(self._engine)
        self._train(replace(self._config, training=replace(self._config.training, epochs=1)))

    def turn(self) -> float:
        """See `Peer`."""
        write_state(self._engine, *self._fresh)
        return self._train(self._config)

    def _train(self, config: RunConfig) -> float:
        return train(config, self._dataset, Deaf(), engine=self._engine).seconds


class KerasFit:
    """The document's own way: compile and fit on float32 arrays with one-hot labels, an epoch a turn.

    The progress bar is off and what `fit` does before its epoch is not timed, both to its advantage.
    """

    epochs = 1

    def __init__(self, config: RunConfig, dataset: Dataset) -> None:
        self._config, self._dataset = config, dataset

    def first(self) -> float:
        """See `Peer`."""
        return seconds(self._begin)

    def _begin(self) -> None:
        assert self._dataset.validation is not None
        config = self._config
        self._train, self._validation = _as_for_fit(self._dataset.train), _as_for_fit(self._dataset.validation)
        self._model = build_model(config.model, config.seed)
        optimizer = build_optimizer(config.optimizer, config.schedule, epochs=1, steps_per_epoch=config.steps_per_epoch)
        self._model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        self.turn()

    def turn(self) -> float:
        """See `Peer`; goes on from the weights that it has."""
        clock = _Clock()
        self._model.fit(
            *self._train,
            batch_size=self._config.training.batch_size,
            epochs=1,
            validation_data=self._validation,
            verbose=0,
            callbacks=[clock],
        )
        return clock.seconds


def _as_for_fit(split: Split) -> tuple[np.ndarray, np.ndarray]:
    return split.images.astype("float32") / 255, np.eye(NUM_CLASSES, dtype="float32")[split.labels]


class _Clock(keras.callbacks.Callback):
    """Times an epoch and its validation."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds = time.perf_counter() - self._began
