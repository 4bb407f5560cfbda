"""The three networks of the source document: images in [0, 1], (n, 32, 32, 3), to class probabilities, (n, 10)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from cifar.config import IMAGE_SHAPE, NUM_CLASSES, Model1Config, Model2Config, Model3Config, ModelConfig


def build_model(config: ModelConfig, seed: int, precision: str = "float32") -> keras.Sequential:
    """Make one of the three networks with weights drawn from `seed`.

    Args:
        config: which network, and its sizes and rates.
        seed: of the initial weights; the same seed gives the same weights in any process.
        precision: what the layers compute in (weights and probabilities stay float32).
    """
    standing = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        body = _BODIES[config.name](config)
        _seed_kernels(body, seed)
        return keras.Sequential([keras.Input(IMAGE_SHAPE, name="image"), *body], name=config.name)
    finally:
        keras.config.set_dtype_policy(standing)


def _seed_kernels(body: list[layers.Layer], seed: int) -> None:
    """Give each layer a seed of its own. (Keras' global seed would import TensorFlow, on JAX too.)"""
    for index, layer in enumerate(body):
        if hasattr(layer, "kernel_initializer"):
            key = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
            layer.kernel_initializer = type(layer.kernel_initializer)(seed=key)


def with_raw_input(model: keras.Sequential) -> keras.Sequential:
    """The same network, weights shared, for raw pixels: uint8 images from 0 to 255."""
    pixels = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    return keras.Sequential([pixels, layers.Rescaling(1 / 255, name="rescaling"), *model.layers], name=model.name)


def layer_table(model: keras.Sequential) -> list[tuple[str, str, tuple[int, ...], int]]:
    """One row a layer: name, kind, output shape without the batch, parameters."""
    return [
        (layer.name, type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in model.layers
    ]


def multiply_adds(config: ModelConfig) -> int:
    """The products that one image takes on its way through a network, which has no weights made for it to be asked."""
    shape, total = (1, *IMAGE_SHAPE), 0
    for layer in _BODIES[config.name](config):
        inputs, shape = shape, tuple(layer.compute_output_shape(shape))
        if isinstance(layer, layers.Conv2D):
            total += math.prod(shape) * math.prod(layer.kernel_size) * inputs[-1]
        elif isinstance(layer, layers.Dense):
            total += math.prod(shape) * inputs[-1]
    return total


def _model1(config: Model1Config) -> list[layers.Layer]:
    return [
        _conv(config, "conv1", config.filters, strides=config.strides, padding="same"),
        _conv(config, "conv2", config.filters, strides=config.strides),
        _pool(config, "pool"),
        layers.Dropout(config.dropout_rate, name="dropout"),
        *_head(config),
    ]


def _model2(config: Model2Config) -> list[layers.Layer]:
    body: list[layers.Layer] = []
    for block, filters in enumerate((config.filters, 2 * config.filters), start=1):
        body += [
            _conv(config, f"conv{block}a", filters, padding="same"),
            _conv(config, f"conv{block}b", filters),
            _pool(config, f"pool{block}"),
            layers.Dropout(config.dropout_rate, name=f"dropout{block}"),
        ]
    return [*body, *_head(config)]


def _model3(config: Model3Config) -> list[layers.Layer]:
    body: list[layers.Layer] = []
    for block in range(1, config.depth + 1):
        filters = config.filters * 2 ** (block - 1)
        body += [
            _conv(config, f"conv{block}a", filters, padding="same", kernel_constraint=_max_norm(config)),
            layers.Dropout(config.dropout_rate, name=f"dropout{block}"),
            _conv(config, f"conv{block}b", filters, padding="same", kernel_constraint=_max_norm(config)),
            _pool(config, f"pool{block}"),
        ]
    return [*body, *_head(config, kernel_constraint=_max_norm(config))]


_BODIES: dict[str, Callable[[Any], list[layers.Layer]]] = {"model1": _model1, "model2": _model2, "model3": _model3}


def _conv(config: ModelConfig, name: str, filters: int, **options: Any) -> layers.Conv2D:
    initializer = config.kernel_initializer
    return layers.Conv2D(
        filters, config.kernel_size, activation="relu", kernel_initializer=initializer, name=name, **options
    )


def _pool(config: ModelConfig, name: str) -> layers.MaxPooling2D:
    return layers.MaxPooling2D(config.pool_size, name=name)


def _head(config: ModelConfig, **options: Any) -> list[layers.Layer]:
    initializer = config.kernel_initializer
    return [
        layers.Flatten(name="flatten"),
        layers.Dense(config.dense_units, activation="relu", kernel_initializer=initializer, name="dense", **options),
        layers.Dropout(config.dense_dropout_rate, name="dense_dropout"),
        layers.Dense(
            NUM_CLASSES, activation="softmax", kernel_initializer=initializer, dtype="float32", name="classes"
        ),
    ]


def _max_norm(config: Model3Config) -> keras.constraints.MaxNorm | None:
    return None if config.max_norm is None else keras.constraints.MaxNorm(config.max_norm)
