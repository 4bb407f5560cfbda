"""The peer of a recipe: a preset of the document trained by Keras' fit on TensorFlow, as the document does.

    python -m benchmarks.plain_document result.json experiment=seed_model1 seed=0

Images are float32 in memory before the clock starts, nothing is recorded and the progress bar is off: all to its
advantage.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.keras_fit import start_plain
from cifar.config import RunConfig
from cifar.data import load_dataset
from experiments.commandline import check


def read(overrides: Sequence[str]) -> RunConfig:
    """What this project would train for these words."""
    first = check(list(overrides)).first
    assert first is not None
    return first.run


def train(config: RunConfig) -> dict[str, Any]:
    """Train all epochs: the seconds from building the network to its last step, and what it scores."""
    start_plain("tensorflow")
    from benchmarks.plain_keras import prepared
    from cifar.models import build_model
    from cifar.optimizers import build_optimizer

    dataset = load_dataset(config.data)
    (x, y), test = prepared(dataset.train), prepared(dataset.test)
    started = time.perf_counter()
    model = build_model(config.model, config.seed)
    epochs, batch_size = config.training.epochs, config.training.batch_size
    optimizer = build_optimizer(
        config.optimizer, config.schedule, epochs=epochs, steps_per_epoch=config.steps_per_epoch
    )
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - started
    _, accuracy = model.evaluate(*test, verbose=0)
    return {"training_seconds": seconds, "test_accuracy": accuracy}


def main(result_file: str, *overrides: str) -> None:
    """Train, and write down what came out."""
    Path(result_file).write_text(json.dumps(train(read(overrides))), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
