"""The forward pass of a training step on a CPU: Keras' layers with the same formulas, made for two cores.

A batch goes through the network as two halves, each on a core of its own, which wait for each other only where they
meet again; one thread in each operation and two operations at once are faster here than two threads in each. Between
its matrix products a step spends a third of its time on small operations that read and write a whole activation. So
the maximum is taken before bias and relu (neither changes which value is largest), what can be one loop is one (XLA
fuses it), and random bits are made where they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from cifar.engines.parts import dropout_layers

Parts = list[tf.Tensor]
Forward = Callable[[Parts], tf.Tensor]

one_loop = partial(tf.function, jit_compile=True, autograph=False)


def halves(images: tf.Tensor) -> Parts:
    """The first and the second half of a batch of at least two."""
    middle = (tf.shape(images)[0] + 1) // 2
    return [images[:middle], images[middle:]]


@dataclass(frozen=True)
class Rate:
    """The share of values that dropout zeroes, as a compiled step reads it: another one needs no other program."""

    threshold: tf.Tensor | tf.Variable
    """uint32: a value whose random bits are less is zeroed."""
    scale: tf.Tensor | tf.Variable
    """float32: what is left is multiplied with it."""

    @classmethod
    def of(cls, rate: float) -> Rate:
        """One that stays as it is."""
        return cls(tf.constant(_threshold(rate)), tf.constant(_scale(rate)))

    @classmethod
    def variable(cls, rate: float) -> Rate:
        """One that can be changed."""
        return cls(tf.Variable(_threshold(rate), trainable=False), tf.Variable(_scale(rate), trainable=False))

    def assign(self, rate: float) -> None:
        """Change it; from 0 it cannot be, nor to it: nothing is drawn then."""
        self.threshold.assign(_threshold(rate))
        self.scale.assign(_scale(rate))


def _threshold(rate: float) -> np.uint32:
    return np.uint32(min(round(rate * 2**32), 2**32 - 1))


def _scale(rate: float) -> np.float32:
    return np.float32(1) / np.float32(1 - rate)  # so a division by a constant is compiled


def build_forward(model: keras.Sequential) -> tuple[Forward, list[Rate]]:
    """The network in training mode: parts of a batch to the probabilities of all of it.

    Gradients flow to the network's variables as they do through Keras' own layers.

    Returns:
        The function, and the rates that it reads, one for each of `dropout_layers`.
    """
    rates = {id(layer): Rate.variable(layer.rate) for layer in dropout_layers(model)}
    steps: list[Callable[[Parts], Parts]] = []
    todo = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
    while todo:
        layer = todo.pop(0)
        if _is_linear_with_relu(layer):
            pool = todo.pop(0) if todo and _halves_both_sides(todo[0]) else None
            dropped = todo.pop(0) if todo and isinstance(todo[0], layers.Dropout) else None
            steps.append(partial(_block, layer, pool, dropped, rates.get(id(dropped))))
        elif isinstance(layer, layers.Dropout):
            steps.append(partial(_each, partial(_dropout, layer, rates.get(id(layer)))))
        else:
            steps.append(partial(_each, partial(layer, training=True)))

    def forward(parts: Parts) -> tf.Tensor:
        for step in steps:
            parts = step(parts)
        return tf.concat(parts, axis=0)

    return forward, list(rates.values())


def _is_linear_with_relu(layer: layers.Layer) -> bool:
    return isinstance(layer, layers.Conv2D | layers.Dense) and layer.activation is keras.activations.relu


def _halves_both_sides(layer: layers.Layer) -> bool:
    return isinstance(layer, layers.MaxPooling2D) and (
        tuple(layer.pool_size) == tuple(layer.strides) == (2, 2) and layer.padding == "valid"
    )


def _each(layer: Callable[[tf.Tensor], tf.Tensor], parts: Parts) -> Parts:
    return [layer(part) for part in parts]


def _block(
    layer: layers.Layer,
    pool: layers.MaxPooling2D | None,
    dropped: layers.Dropout | None,
    rate: Rate | None,
    parts: Parts,
) -> Parts:
    kernel, bias = tf.convert_to_tensor(layer.kernel.value), tf.convert_to_tensor(layer.bias.value)
    if isinstance(layer, layers.Dense):
        parts = [matmul(tf.concat(parts, axis=0), kernel)]  # its weights are many: they are read once for all parts
    elif pool is None and dropped is None:
        return [conv_relu(part, kernel, bias, layer.strides, layer.padding.upper()) for part in parts]
    else:
        parts = [tf.nn.conv2d(part, kernel, layer.strides, layer.padding.upper()) for part in parts]
    if pool is not None:
        parts = _each(max_pool, parts)
    if dropped is None or rate is None:
        return [bias_relu(part, bias) for part in parts]
    return [bias_relu_dropout(part, bias, rate, _draw_seed(dropped)) for part in parts]


def _dropout(layer: layers.Dropout, rate: Rate | None, values: tf.Tensor) -> tf.Tensor:
    return values if rate is None else dropout(values, rate, _draw_seed(layer))


def _draw_seed(layer: layers.Dropout) -> tf.Tensor:
    """Two uint32, others at each call."""
    return tf.cast(layer.seed_generator.next(), tf.uint32)


@tf.custom_gradient
def matmul(values: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """The product of (n, inputs) and (inputs, outputs), as two that can run side by side."""
    half = kernel.shape[0] // 2
    top, bottom = kernel[:half], kernel[half:]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # The transposed product is twice as fast: the large matrix is read in the order in which it lies.
        sides = [tf.transpose(tf.matmul(rows, upstream, transpose_b=True)) for rows in (top, bottom)]
        return tf.concat(sides, axis=1), tf.matmul(values, upstream, transpose_a=True)

    return tf.matmul(values[:, :half], top) + tf.matmul(values[:, half:], bottom), gradient


def conv_relu(
    values: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, strides: tuple[int, int], padding: str
) -> tf.Tensor:
    """relu(convolution + bias), of which TensorFlow makes one kernel."""

    @tf.custom_gradient
    def apply(values: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        out = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(values, kernel, strides, padding), bias))

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            of_sum = tf.raw_ops.ReluGrad(gradients=upstream, features=out)
            step = {"out_backprop": of_sum, "strides": [1, *strides, 1], "padding": padding}
            return (
                tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(values), filter=kernel, **step),
                tf.raw_ops.Conv2DBackpropFilter(input=values, filter_sizes=tf.shape(kernel), **step),
                _sum_of_rows(of_sum),
            )

        return out, gradient

    return apply(values, kernel, bias)


def _sum_of_rows(values: tf.Tensor) -> tf.Tensor:
    """(..., c) to (c,). As a matrix product; the sum that TensorFlow makes beside a kernel's gradient takes longer."""
    rows = tf.reshape(values, [-1, values.shape[-1]])
    return tf.reshape(tf.matmul(tf.ones([1, tf.shape(rows)[0]]), rows), [-1])


@tf.custom_gradient
def max_pool(values: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """The largest of each 2 x 2: (n, h, w, c) to (n, h // 2, w // 2, c). The gradient goes to the first of equals."""
    pooled = tf.nn.max_pool2d(values, 2, 2, "VALID")
    return pooled, lambda upstream: _unpool(values, pooled, upstream)


@one_loop
def _unpool(values: tf.Tensor, pooled: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    _, height, width, channels = values.shape
    rows, columns = height // 2, width // 2
    windows = tf.reshape(values[:, : 2 * rows, : 2 * columns], [-1, rows, 2, columns, 2, channels])
    first, second, third = (windows[:, :, row, :, column] == pooled for row, column in ((0, 0), (0, 1), (1, 0)))
    largest = tf.where(first, 0, tf.where(second, 1, tf.where(third, 2, 3)))
    here = largest[:, :, None, :, None] == tf.reshape(tf.range(4), [1, 1, 2, 1, 2, 1])
    whole = tf.reshape(tf.where(here, upstream[:, :, None, :, None], 0.0), [-1, 2 * rows, 2 * columns, channels])
    return tf.pad(whole, [[0, 0], [0, height - 2 * rows], [0, width - 2 * columns], [0, 0]])


@tf.custom_gradient
def bias_relu(values: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """relu(values + bias)."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_values = _bias_relu_gradient(values, bias, upstream)
        return of_values, _sum_of_rows(of_values)

    return _bias_relu(values, bias), gradient


@one_loop
def _bias_relu(values: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(values + bias)


@one_loop
def _bias_relu_gradient(values: tf.Tensor, bias: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    return tf.where(values + bias > 0, upstream, 0.0)


def bias_relu_dropout(values: tf.Tensor, bias: tf.Tensor, rate: Rate, seed: tf.Tensor) -> tf.Tensor:
    """relu(values + bias), of which dropout zeroes the share `rate`; `seed`: two uint32."""
    drop = tf.convert_to_tensor(rate.threshold), tf.convert_to_tensor(rate.scale), seed

    @tf.custom_gradient
    def apply(values: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_values = _bias_relu_dropout_gradient(values, bias, upstream, *drop)
            return of_values, _sum_of_rows(of_values)

        return _bias_relu_dropout(values, bias, *drop), gradient

    return apply(values, bias)


@one_loop
def _bias_relu_dropout(values: tf.Tensor, bias: tf.Tensor, *drop: tf.Tensor) -> tf.Tensor:
    return _drop(tf.nn.relu(values + bias), *drop)


@one_loop
def _bias_relu_dropout_gradient(values: tf.Tensor, bias: tf.Tensor, upstream: tf.Tensor, *drop: tf.Tensor) -> tf.Tensor:
    return _drop(tf.where(values + bias > 0, upstream, 0.0), *drop)


def dropout(values: tf.Tensor, rate: Rate, seed: tf.Tensor) -> tf.Tensor:
    """Zeroes the share `rate` of the values and scales the others up by as much; `seed`: two uint32."""
    drop = tf.convert_to_tensor(rate.threshold), tf.convert_to_tensor(rate.scale), seed

    @tf.custom_gradient
    def apply(values: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return _dropped(values, *drop), lambda upstream: _dropped(upstream, *drop)

    return apply(values)


@one_loop
def _dropped(values: tf.Tensor, *drop: tf.Tensor) -> tf.Tensor:
    return _drop(values, *drop)


def _drop(values: tf.Tensor, threshold: tf.Tensor, scale: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.where(random_bits(values, seed) >= threshold, values * scale, 0.0)


def random_bits(values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """32 random bits for each of the values, from two uint32, by hashing its position.

    The hash is lowbias32 (Wellons, Prospecting for Hash Functions, 2018), twice, with keys that it makes of the seed.
    Philox, which TensorFlow draws with, costs ten times as much here.
    """
    position = tf.cast(tf.range(tf.size(values)), tf.uint32)
    first = _hash(seed[0] + _hash(seed[1]))
    second = _hash(first + tf.constant(0x9E3779B9, tf.uint32))
    bits = _hash(tf.bitwise.bitwise_xor(_hash(position + first), second))
    return tf.reshape(bits, tf.shape(values))


def _hash(words: tf.Tensor) -> tf.Tensor:
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(shift, tf.uint32)))
        words *= tf.constant(factor, tf.uint32)
    return words
