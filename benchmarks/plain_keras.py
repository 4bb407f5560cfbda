"""What the scripts of the peers share: a network as a user writes it, and the arrays that it is trained on."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from cifar.config import NUM_CLASSES
from cifar.data import Split


def build_network(
    learning_rate: float, dropout_rate: float, dense_dropout_rate: float, steps_per_execution: int = 1
) -> keras.Model:
    """model1, compiled with RMSprop."""
    model = keras.Sequential(
        [
            layers.Input((32, 32, 3)),
            layers.Conv2D(32, 5, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 5, strides=2, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(dropout_rate),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dropout(dense_dropout_rate),
            layers.Dense(NUM_CLASSES, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    return model


def prepared(split: Split) -> tuple[Any, Any]:
    """Images and labels as the source document makes them."""
    return split.images.astype("float32") / 255, keras.utils.to_categorical(split.labels, NUM_CLASSES)
