"""The two parts of an engine that have a state, as they are before the first step."""

from __future__ import annotations

import keras

from cifar.config import RunConfig
from cifar.models import build_model
from cifar.optimizers import OPTIMIZER_CLASSES, build_optimizer


def build_parts(
    config: RunConfig, classes: dict[str, type[keras.optimizers.Optimizer]] = OPTIMIZER_CLASSES
) -> tuple[keras.Sequential, keras.optimizers.Optimizer]:
    """The network with the weights that its seed draws, and the optimizer of these weights with all of its variables.

    Args:
        config: the run's.
        classes: from an optimizer's name to its class, where an engine has faster ones with the same variables.
    """
    model = build_model(config.model, config.seed, config.compute.precision)
    optimizer = build_optimizer(
        config.optimizer,
        config.schedule,
        epochs=config.training.epochs,
        steps_per_epoch=config.steps_per_epoch,
        classes=classes,
    )
    if config.compute.precision == "float16":  # its range is too small for gradients as they are
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return model, optimizer


def dropout_layers(model: keras.Sequential) -> list[keras.layers.Dropout]:
    """Those of a network that zero anything."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout) and layer.rate > 0]


def same_dropout(model: keras.Sequential, other: keras.Sequential) -> bool:
    """Whether two networks of the same shape zero the same shares."""
    first, second = ([layer.rate for layer in dropout_layers(one)] for one in (model, other))
    return first == second
