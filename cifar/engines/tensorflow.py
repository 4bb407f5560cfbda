"""Training epochs as one TensorFlow call: images stay on the device as uint8, the loop over batches is in the graph."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from cifar.config import RunConfig
from cifar.data import Split, with_mirrored
from cifar.engines import DivergedError, Progress, Scores
from cifar.engines.fused import FUSED_CLASSES, take_constraints
from cifar.engines.layers import Rate, build_forward, halves
from cifar.engines.parts import build_parts, dropout_layers, same_dropout

PREDICT_BATCH = 250
PROGRESS_SECONDS = 0.1


class TensorFlowEngine:
    """A network and its training images on a CPU or a GPU (see `cifar.engines.Engine`)."""

    def __init__(self, config: RunConfig, train: Split, jit_compile: bool | None = None) -> None:
        # XLA's convolutions for CPUs are 3 to 10 times slower than TensorFlow's own; on a GPU XLA helps.
        self._jit_compile = bool(tf.config.list_logical_devices("GPU")) if jit_compile is None else jit_compile
        threads = tf.config.threading.get_inter_op_parallelism_threads()
        smallest = len(train) % config.training.batch_size or config.training.batch_size
        self._can_split = threads != 1 and smallest > 1  # oneDNN's convolutions refuse a half without images
        self._batch_size = config.training.batch_size
        self.model, self.optimizer = build_parts(config, FUSED_CLASSES)
        self._forward_training, self._rates = self._build_forward(config.compute.precision)
        self._constrain = take_constraints(self.model.trainable_variables, xla=self._jit_compile)
        self._images, self._labels = _on_device(train, config.data.random_flip)
        with tf.device("CPU:0"):
            self._stop = tf.Variable(False)
            self._done = tf.Variable(0)
        step = tf.function(self._step, autograph=False, jit_compile=True) if self._jit_compile else self._step
        self._epoch = self._trace_epoch(step, len(train))
        self._forward = tf.function(
            self._probabilities,
            input_signature=[tf.TensorSpec([None, *train.images.shape[1:]], tf.uint8)],
            autograph=False,
            jit_compile=self._jit_compile,
        )

    def run_epoch(self, order: np.ndarray, progress: Progress) -> Scores:
        """Train once over the images in this order (see `Engine`)."""
        self._stop.assign(False)
        self._done.assign(0)
        # The call runs in a thread so that signals, progress and limits are seen to while it lasts.
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(self._epoch, tf.constant(order, tf.int32), self._images, self._labels)
            try:
                while wait([running], PROGRESS_SECONDS).not_done:
                    progress(int(self._done.numpy()))
            except BaseException:
                self._stop.assign(True)
                raise
            loss, correct = (float(total) for total in running.result())
        if not np.isfinite(loss):
            raise DivergedError(int(self._done.numpy()))
        return Scores(loss / len(order), correct / len(order))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Class probabilities of uint8 images (see `Engine`)."""
        batches = (images[start : start + PREDICT_BATCH] for start in range(0, len(images), PREDICT_BATCH))
        with ThreadPoolExecutor(2) as threads:  # the other half of what cifar.engines.layers does with a batch
            return np.concatenate(list(threads.map(lambda batch: self._forward(tf.constant(batch)).numpy(), batches)))

    def take_dropout(self, model: keras.Sequential) -> bool:
        """Zero the shares that this network does (see `Engine`)."""
        others = dropout_layers(model)
        if len(self._rates) != len(others):
            return same_dropout(self.model, model)
        for layer, rate, other in zip(dropout_layers(self.model), self._rates, others, strict=True):
            layer.rate = other.rate
            rate.assign(other.rate)
        return True

    def _trace_epoch(
        self, step: tf.types.experimental.GenericCallable, length: int
    ) -> tf.types.experimental.ConcreteFunction:
        size = self._batch_size

        # The images are arguments: a graph that held them would keep them in memory after the engine is gone.
        def epoch(order: tf.Tensor, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            def more(start: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor) -> tf.Tensor:
                return (start < order.shape[0]) & tf.math.is_finite(loss) & ~self._stop

            def body(start: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
                batch = order[start : start + size]
                batch_loss, batch_correct = step(tf.gather(images, batch), tf.gather(labels, batch))
                self._done.assign_add(1)
                return start + size, loss + batch_loss, correct + batch_correct

            totals = tf.while_loop(more, body, (0, 0.0, 0.0), parallel_iterations=1)
            return totals[1], totals[2]

        # Traced here, by the thread that built the model: Keras keeps some of its state per thread.
        kinds = (tf.TensorSpec([length], tf.int32), self._images, self._labels)
        return tf.function(epoch, autograph=False).get_concrete_function(*kinds)

    def _step(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One optimizer step; returns the sum of the losses and the number of right answers."""
        labels = tf.cast(labels, tf.int32)
        with tf.GradientTape() as tape:
            probabilities = self._forward_training(images)
            losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
            loss = tf.reduce_mean(losses)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, [variable.value for variable in variables]), variables)
        self._constrain()
        right = tf.argmax(probabilities, axis=-1, output_type=tf.int32) == labels
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, tf.float32))

    def _build_forward(self, precision: str) -> tuple[Callable[[tf.Tensor], tf.Tensor], list[Rate]]:
        """Images to probabilities in training mode, and the dropout rates that are no constants of it."""
        if self._jit_compile or precision != "float32":  # XLA fuses all of a step by itself
            return lambda images: self.model(_scaled(images), training=True), []
        forward, rates = build_forward(self.model)
        split = halves if self._can_split else lambda images: [images]
        return lambda images: forward([_scaled(part) for part in split(images)]), rates

    def _probabilities(self, images: tf.Tensor) -> tf.Tensor:
        return self.model(_scaled(images), training=False)


@lru_cache(maxsize=1)
def _on_device(train: Split, flipped: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Images and labels as the graph takes them, once for all engines of a process that train on them."""
    train = with_mirrored(train) if flipped else train
    return tf.constant(train.images), tf.constant(train.labels)


def _scaled(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32) / 255.0
