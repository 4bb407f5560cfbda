"""The sweep that each contender makes: the same settings of model1, trained on the same images.

Nothing is imported here that a contender would not import by itself: it would pay for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from cifar.config import DataConfig

BATCH_SIZE = 32
SEED = 0
"""The settings are drawn from it."""
VALIDATION_IMAGES = {"cifar10": 5_000, "sample": 500}

SEARCH = {
    "optimizer.learning_rate": {"low": 1e-4, "high": 3e-3, "sampling": "log"},
    "model.dropout_rate": {"low": 0.1, "high": 0.5},
    "model.dense_dropout_rate": {"low": 0.2, "high": 0.7},
}

Setting = dict[str, float]
"""The last words of the keys in `SEARCH`, and their values: {"learning_rate": 0.001, ...}."""


@dataclass(frozen=True)
class SweepTask:
    """How many settings, and how long each is trained.

    By default a sweep takes 40 to 90 seconds on two cores, and an epoch is a whole number of calls of 50 steps.
    """

    trials: int = 16
    images: int = 8_000
    epochs: int = 3
    data: str = "cifar10"

    @property
    def data_config(self) -> DataConfig:
        """The images that train and those that choose."""
        return DataConfig(name=self.data, validation_size=VALIDATION_IMAGES[self.data], train_size=self.images)
