"""What each peer has to train: one network on the same images, with the document's optimizers, in batches of 32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cifar.config import (
    SGD,
    DataConfig,
    Model1Config,
    Model2Config,
    Model3Config,
    ModelConfig,
    OptimizerConfig,
    RMSprop,
    RunConfig,
)
from cifar.data import Split, load_dataset

Notes = dict[str, Any]
"""What is worth knowing of how a peer was built; goes into the JSON as it is."""

TRAINING_MFLOP = {"model1": 8.90, "model2": 122.7, "model3": 85.4}
"""Arithmetic of one image: forward, and both gradients (none for the input of the first layer)."""

RECIPES: dict[str, tuple[ModelConfig, OptimizerConfig]] = {
    "model1": (Model1Config(), RMSprop(learning_rate=5e-4)),
    "model2": (Model2Config(), RMSprop(learning_rate=5e-4)),
    "model3": (Model3Config(), SGD(momentum=0.9)),
}


@dataclass(frozen=True)
class Task:
    """Train `model` once over the first `images` images of a data set."""

    model: str
    images: int
    data: str = "cifar10"

    @property
    def config(self) -> RunConfig:
        """The run that this project would make of it."""
        model, optimizer = RECIPES[self.model]
        data = DataConfig(name=self.data, validation_size=0, train_size=self.images)
        return RunConfig(model=model, optimizer=optimizer, data=data)

    def load(self) -> Split:
        """The images, uint8, and their labels."""
        return load_dataset(self.config.data).train
