"""train(): the only loop over epochs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import keras
import numpy as np

from cifar.checkpoints import CheckpointError, Checkpoints
from cifar.config import RunConfig
from cifar.course import Course, Metrics, is_due, reason_to_stop
from cifar.data import Dataset, Split
from cifar.engines import DivergedError, Engine, build_engine, read_state, seed_dropout, write_state
from cifar.evaluation import Evaluation, evaluate
from cifar.fields import ConfigError
from cifar.snapshots import Snapshot, decisive_settings


class TrainingDivergedError(ArithmeticError):
    """The loss, a weight or an answer became NaN or infinite: there is no use in going on."""


class Listener(Protocol):
    """Who wants to know how a training goes on. What it raises ends the training."""

    def on_resume(self, history: list[Metrics], warnings: list[str]) -> None:
        """Told before anything else if the training goes on from a checkpoint.

        `history` are the metrics of the epochs that are done: they will not be told again, and the last may never
        have been told, since an epoch is kept before it is told. Epochs after it that were told are trained and told
        again, with the same metrics but for times. `warnings` name newer checkpoints that were damaged.
        """

    def on_step(self, epoch: int, step: int) -> None:
        """Told how many steps of this epoch are done (see `engines.Progress`)."""

    def on_epoch(self, epoch: int, metrics: Metrics) -> None:
        """Told after each epoch, counted from 1."""


@dataclass(frozen=True)
class Trained:
    """A trained network and how it came about: `history` and `seconds` count what was done before a resume too."""

    model: keras.Sequential
    predict: Callable[[np.ndarray], np.ndarray]
    history: list[Metrics]
    stop_reason: str
    best_epoch: int | None
    seconds: float


def train(
    config: RunConfig,
    dataset: Dataset,
    listener: Listener,
    checkpoints: Checkpoints | None = None,
    engine: Engine | None = None,
) -> Trained:
    """Train one network, from its beginning or from where its last good checkpoint left it, to the same bits.

    Args:
        config: what to train and how.
        dataset: the images; validation images, where there are any, are looked at after each epoch.
        listener: told of steps and epochs.
        checkpoints: where to look for a state to go on from, and where to keep it after every
            `training.checkpoint_every` epochs and after the last.
        engine: as `build_engine` makes it of the configuration and the training images, where there is one already.

    Returns:
        The network with the weights of the last epoch, or of the best one with `restore_best_weights`. A training
        that has nothing left to do returns at once.

    Raises:
        TrainingDivergedError: the loss, a weight or an answer became NaN or infinite.
        CheckpointError: a checkpoint cannot be written, or there are some and none can be used.
        ConfigError: more epochs are done than are asked for.
    """
    started = time.perf_counter()
    engine = engine or build_engine(config, dataset.train)
    course = _resumed(engine, config, dataset, listener, checkpoints) if checkpoints is not None else Course()
    earlier = course.seconds
    stop_reason = reason_to_stop(config.training, course)
    while stop_reason is None:
        epoch = len(course.history) + 1
        metrics = _train_epoch(engine, config, dataset, epoch, partial(listener.on_step, epoch))
        course.add(metrics, engine.model.get_weights if config.training.restore_best_weights else None)
        course.seconds = earlier + time.perf_counter() - started
        stop_reason = reason_to_stop(config.training, course)
        if checkpoints is not None and is_due(config.training.checkpoint_every, epoch, stop_reason):
            checkpoints.save(_snapshot(engine, config, dataset, course))
        listener.on_epoch(epoch, metrics)
    if course.best_weights is not None:
        engine.model.set_weights(course.best_weights)
    seconds = earlier + time.perf_counter() - started
    return Trained(engine.model, engine.predict, course.history, stop_reason, course.best_epoch, seconds)


def score(predict: Callable[[np.ndarray], np.ndarray], split: Split) -> Evaluation:
    """What a network answers to images, beside the truth.

    Raises:
        TrainingDivergedError: its answers are no numbers, since its weights, numbers still, have become too large.
    """
    answers = predict(split.images)
    if not np.isfinite(answers).all():
        raise TrainingDivergedError(
            "the network's answers are NaN or infinite: its weights have become too large; try a lower "
            "optimizer.learning_rate or optimizer.clipnorm=1"
        )
    return evaluate(answers, split.labels)


def _train_epoch(
    engine: Engine, config: RunConfig, dataset: Dataset, epoch: int, progress: Callable[[int], None]
) -> Metrics:
    """Train one epoch, which depends on the state of the engine, the seed and its number alone."""
    started = time.perf_counter()
    seed_dropout(engine.model, config.seed, epoch)
    order = epoch_order(config.seed, epoch, len(dataset.train), config.data.random_flip)
    try:
        scores = engine.run_epoch(order, progress)
        refuse_broken_weights(engine.model, config.steps_per_epoch)
    except DivergedError as error:
        raise TrainingDivergedError(
            f"{error.what} became NaN or infinite in epoch {epoch}, by step {error.step} of "
            f"{config.steps_per_epoch}; try a lower optimizer.learning_rate (now "
            f"{config.optimizer.learning_rate:g}) or optimizer.clipnorm=1"
        ) from None
    trained_in = time.perf_counter() - started
    metrics = {"loss": scores.loss, "accuracy": scores.accuracy}
    if dataset.validation is not None:
        validation = score(engine.predict, dataset.validation)
        metrics |= {"val_loss": validation.loss, "val_accuracy": validation.accuracy}
    rate = f"{float(engine.optimizer.learning_rate):.7g}"  # it is a float32: 0.0005, not 0.00050000002
    return metrics | {
        "learning_rate": float(rate),
        "images_per_second": len(order) / trained_in,
        "seconds": time.perf_counter() - started,
    }


def _resumed(
    engine: Engine, config: RunConfig, dataset: Dataset, listener: Listener, checkpoints: Checkpoints
) -> Course:
    """Bring the engine to where the last good checkpoint left it, if there is one."""
    found = checkpoints.load(decisive_settings(config), dataset.digest)
    if found is None:
        return Course()
    saved, asked = found.snapshot, config.training
    if saved.epoch > asked.epochs:
        raise ConfigError("training.epochs", asked.epochs, f"at least {saved.epoch}, the epochs that are already done")
    try:
        write_state(engine, saved.weights, saved.optimizer)
    except ValueError as error:
        raise CheckpointError(
            f"{checkpoints.folder}: the arrays do not fit ({error}); were they written by another version?"
        ) from None
    best = saved.best_weights
    if not asked.restore_best_weights:
        best = None
    elif best is None and saved.best_epoch is not None:  # it is the last one, or was not to be restored then
        best = checkpoints.weights_of(saved.best_epoch)
    listener.on_resume(list(saved.history), found.warnings)
    return Course(list(saved.history), saved.best_epoch, best, saved.seconds)


def _snapshot(engine: Engine, config: RunConfig, dataset: Dataset, course: Course) -> Snapshot:
    weights, optimizer = read_state(engine)
    return Snapshot(
        weights=weights,
        optimizer=optimizer,
        history=course.history,
        best_epoch=course.best_epoch,
        best_weights=None if course.best_epoch == len(course.history) else course.best_weights,
        seconds=course.seconds,
        settings=decisive_settings(config),
        data_digest=dataset.digest,
    )


def epoch_order(seed: int, epoch: int, images: int, random_flip: bool = False) -> np.ndarray:
    """In what order an epoch goes through the images: a permutation, int32, that depends on nothing else.

    With `random_flip` half of the numbers are `images` higher: these are mirrored (see `Engine.run_epoch`).
    """
    order = np.random.default_rng([seed, epoch]).permutation(images)
    if random_flip:
        order += images * np.random.default_rng([seed, epoch, 1]).integers(0, 2, images)
    return order.astype(np.int32)


def refuse_broken_weights(model: keras.Sequential, step: int) -> None:
    """Look for weights that are no numbers: relu turns a NaN into 0, so that the loss alone can look well.

    Raises:
        DivergedError: a weight is NaN or infinite after this step.
    """
    for weight, values in zip(model.weights, model.get_weights(), strict=True):
        if not np.isfinite(values).all():
            raise DivergedError(step, what=f"the weight {weight.path}")
