"""The peer of a sweep: keras-tuner's random search over Keras' fit, as its users write it.

    python -m benchmarks.plain_tuner task.json result.json

What is not as in a user's script: the values to try are given; the images come from this project's cache, which is
faster than `keras.datasets`; the progress bar is off; tensorboard is not imported. The last three to its advantage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from benchmarks.plain_keras import build_network, prepared
from benchmarks.trials import BATCH_SIZE, Setting, SweepTask
from cifar.data import load_dataset


class GivenSettings(keras_tuner.oracles.RandomSearchOracle):
    """keras-tuner's own oracle of RandomSearch, but that it draws the given settings, one after another."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        super().__init__("val_accuracy", max_trials=len(settings))
        self._settings = settings

    def _random_values(self) -> dict[str, Any]:
        return dict(self._settings[len(self.trials)])


class RandomSearch(keras_tuner.Tuner):
    """keras_tuner.RandomSearch(build, "val_accuracy", max_trials=...), but for the oracle."""

    def __init__(self, hypermodel: Any, settings: Sequence[Setting], folder: str) -> None:
        super().__init__(GivenSettings(settings), hypermodel, directory=folder, project_name="search")

    def _configure_tensorboard_dir(self, *_: Any) -> None:
        """keras-tuner imports tensorboard here whether it is used or not; TensorFlow 2.21 comes without it."""


def build(hp: Any, steps_per_execution: int = 1) -> keras.Model:
    """model1 with what is searched."""
    return build_network(
        dropout_rate=hp.Float("dropout_rate", 0.1, 0.5),
        dense_dropout_rate=hp.Float("dense_dropout_rate", 0.2, 0.7),
        learning_rate=hp.Float("learning_rate", 1e-4, 3e-3, sampling="log"),
        steps_per_execution=steps_per_execution,
    )


def search(task: SweepTask, settings: Sequence[Setting], steps_per_execution: int, folder: str) -> dict[str, Any]:
    """Try all settings; what was tried, how many trials finished, the best validation accuracy of all epochs."""
    dataset = load_dataset(task.data_config)
    assert dataset.validation is not None
    x, y = prepared(dataset.train)
    tuner = RandomSearch(partial(build, steps_per_execution=steps_per_execution), settings, folder)
    tuner.search(
        x, y, batch_size=BATCH_SIZE, epochs=task.epochs, validation_data=prepared(dataset.validation), verbose=0
    )
    trials = tuner.oracle.trials.values()
    return {
        "tried": [trial.hyperparameters.values for trial in trials],
        "finished": sum(trial.status == "COMPLETED" for trial in trials),
        "best_val_accuracy": max((trial.score for trial in trials if trial.score is not None), default=None),
    }


def main(task_file: str, result_file: str) -> None:
    """Search as a file says, in this folder, and write down what was found."""
    told = json.loads(Path(task_file).read_text(encoding="utf-8"))
    found = search(SweepTask(**told["task"]), told["settings"], told["steps_per_execution"], "tuner")
    Path(result_file).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
