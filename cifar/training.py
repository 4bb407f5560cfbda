"""train(): the only loop over epochs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np

from cifar.config import RunConfig, TrainingConfig
from cifar.data import Dataset
from cifar.engines import DivergedError, build_engine, seed_dropout
from cifar.evaluation import evaluate

Metrics = dict[str, float]


class TrainingDivergedError(ArithmeticError):
    """The loss became NaN or infinite: there is no use in going on."""


class Listener(Protocol):
    """Who wants to know how a training goes on. What it raises ends the training."""

    def on_step(self, epoch: int, step: int) -> None:
        """Told several times a second: `step` steps of this epoch are done."""

    def on_epoch(self, epoch: int, metrics: Metrics) -> None:
        """Told after each epoch, counted from 1."""


@dataclass(frozen=True)
class Trained:
    """A trained network and how it came about."""

    model: keras.Sequential
    predict: Callable[[np.ndarray], np.ndarray]
    history: list[Metrics]
    stop_reason: str
    best_epoch: int | None
    seconds: float


def train(config: RunConfig, dataset: Dataset, listener: Listener) -> Trained:
    """Train one network.

    Args:
        config: what to train and how.
        dataset: the images; validation images, where there are any, are looked at after each epoch.
        listener: told of steps and epochs.

    Returns:
        The network with the weights of the last epoch, or of the best one with `restore_best_weights`.

    Raises:
        TrainingDivergedError: the loss became NaN or infinite.
    """
    started = time.perf_counter()
    engine = build_engine(config, dataset.train)
    history: list[Metrics] = []
    best = Best()
    stop_reason = "all epochs done"
    for epoch in range(1, config.training.epochs + 1):
        epoch_started = time.perf_counter()
        seed_dropout(engine.model, config.seed, epoch)
        order = epoch_order(config.seed, epoch, len(dataset.train))
        try:
            scores = engine.run_epoch(order, partial(listener.on_step, epoch))
            refuse_broken_weights(engine.model, config.steps_per_epoch)
        except DivergedError as error:
            raise TrainingDivergedError(
                f"{error.what} became NaN or infinite in epoch {epoch}, by step {error.step} of "
                f"{config.steps_per_epoch}; try a lower optimizer.learning_rate (now "
                f"{config.optimizer.learning_rate:g}) or optimizer.clipnorm=1"
            ) from None
        trained_in = time.perf_counter() - epoch_started
        metrics = {"loss": scores.loss, "accuracy": scores.accuracy}
        if dataset.validation is not None:
            validation = evaluate(engine.predict(dataset.validation.images), dataset.validation.labels)
            metrics |= {"val_loss": validation.loss, "val_accuracy": validation.accuracy}
        metrics |= {
            "learning_rate": float(
                f"{float(engine.optimizer.learning_rate):.7g}"
            ),  # it is a float32: 0.0005, not 0.00050000002
            "images_per_second": len(order) / trained_in,
            "seconds": time.perf_counter() - epoch_started,
        }
        history.append(metrics)
        best.see(epoch, metrics, engine.model if config.training.restore_best_weights else None)
        listener.on_epoch(epoch, metrics)
        reason = reason_to_stop(config.training, epoch, best.epoch, metrics["seconds"], time.perf_counter() - started)
        if reason is not None:
            stop_reason = reason
            break
    if best.weights is not None:
        engine.model.set_weights(best.weights)
    return Trained(engine.model, engine.predict, history, stop_reason, best.epoch, time.perf_counter() - started)


def epoch_order(seed: int, epoch: int, images: int) -> np.ndarray:
    """In what order an epoch goes through the images: a permutation, int32, that depends on nothing else."""
    return np.random.default_rng([seed, epoch]).permutation(images).astype(np.int32)


def refuse_broken_weights(model: keras.Sequential, step: int) -> None:
    """Look for weights that are no numbers: relu turns a NaN into 0, so that the loss alone can look well.

    Raises:
        DivergedError: a weight is NaN or infinite after this step.
    """
    for weight, values in zip(model.weights, model.get_weights(), strict=True):
        if not np.isfinite(values).all():
            raise DivergedError(step, what=f"the weight {weight.path}")


@dataclass
class Best:
    """The epoch with the highest validation accuracy so far; the first of equals."""

    epoch: int | None = None
    accuracy: float = -1.0
    weights: list[Any] | None = field(default=None, repr=False)

    def see(self, epoch: int, metrics: Metrics, model: keras.Sequential | None) -> None:
        """Look at an epoch; keep the weights too if a model is given."""
        if metrics.get("val_accuracy", -1.0) > self.accuracy:
            self.epoch, self.accuracy = epoch, metrics["val_accuracy"]
            self.weights = None if model is None else model.get_weights()


def reason_to_stop(
    config: TrainingConfig, epoch: int, best_epoch: int | None, epoch_seconds: float, seconds: float
) -> str | None:
    """Why no further epoch should start, in plain words; None if one should."""
    if epoch >= config.epochs:
        return None
    patience = config.early_stopping_patience
    if patience is not None and epoch - (best_epoch or 0) >= patience:
        return f"no better validation accuracy for {patience} epochs"
    if config.max_minutes is not None and seconds + epoch_seconds > config.max_minutes * 60:
        return f"another epoch would end after {config.max_minutes:g} minutes"
    return None
