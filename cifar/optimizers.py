"""The table of optimizers, and the learning-rate schedules that go with any of them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import keras
from keras import ops

from cifar.config import Constant, Cosine, InverseTime, OptimizerConfig, ScheduleConfig, Step

OPTIMIZER_CLASSES: dict[str, type[keras.optimizers.Optimizer]] = {
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "adamax": keras.optimizers.Adamax,
    "lion": keras.optimizers.Lion,
}


def build_optimizer(
    config: OptimizerConfig,
    schedule: ScheduleConfig,
    *,
    epochs: int,
    steps_per_epoch: int,
    classes: dict[str, type[keras.optimizers.Optimizer]] = OPTIMIZER_CLASSES,
) -> keras.optimizers.Optimizer:
    """Make a Keras optimizer with its learning-rate schedule.

    Args:
        config: which optimizer, and its arguments under Keras' own names.
        schedule: how the learning rate changes; the plain constant one stays a plain number.
        epochs: how long the training is to last, for schedules that end with it.
        steps_per_epoch: optimizer steps in an epoch.
        classes: from name to class, where an engine has faster ones with the same formulas.
    """
    arguments = asdict(config)
    name = arguments.pop("name")
    arguments["learning_rate"] = build_schedule(config.learning_rate, schedule, epochs, steps_per_epoch)
    return classes[name](**arguments)


def build_schedule(rate: float, config: ScheduleConfig, epochs: int, steps_per_epoch: int) -> Any:
    """The learning rate as Keras takes it: a number if it never changes, else a function of the step."""
    if isinstance(config, Constant) and config.warmup_epochs == 0:
        return rate
    return Schedule(rate, config, epochs, steps_per_epoch)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that depends on the optimizer step, counted from 0."""

    def __init__(self, rate: float, config: ScheduleConfig, epochs: int, steps_per_epoch: int) -> None:
        self.rate, self.config, self.epochs, self.steps_per_epoch = rate, config, epochs, steps_per_epoch

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        return self.rate * self._warmup(step) * self._factor(step)

    def _warmup(self, step: Any) -> Any:
        steps = self.config.warmup_epochs * self.steps_per_epoch
        return 1.0 if steps < 1 else ops.minimum((step + 1) / steps, 1.0)

    def _factor(self, step: Any) -> Any:
        match self.config:
            case Cosine(warmup_epochs=warmup, final_fraction=final):
                first, last = warmup * self.steps_per_epoch, self.epochs * self.steps_per_epoch
                done = ops.clip((step - first) / max(last - first, 1), 0.0, 1.0)
                return final + (1 - final) * 0.5 * (1 + ops.cos(math.pi * done))
            case Step(every_epochs=every, factor=factor):
                return ops.power(factor, ops.floor(step / (every * self.steps_per_epoch)))
            case InverseTime(decay=decay):
                return 1 / (1 + decay * step)
            case _:
                return 1.0

    def get_config(self) -> dict[str, Any]:
        """What Keras writes down of it."""
        return {"rate": self.rate, "schedule": asdict(self.config), "epochs": self.epochs}
