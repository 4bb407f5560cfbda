"""The peer of a sweep: an Optuna study over Keras' fit, as its users write it.

    python -m benchmarks.plain_optuna task.json result.json

What is not as in a user's script: the values to try are given; the images come from this project's cache, which is
faster than `keras.datasets`; the progress bar is off. The last two to its advantage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import optuna  # type: ignore[import-not-found,unused-ignore]

from benchmarks.plain_keras import build_network, prepared
from benchmarks.trials import BATCH_SIZE, Setting, SweepTask
from cifar.data import load_dataset


def suggest(trial: optuna.Trial) -> Setting:
    """What is searched."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 3e-3, log=True),
        "dropout_rate": trial.suggest_float("dropout_rate", 0.1, 0.5),
        "dense_dropout_rate": trial.suggest_float("dense_dropout_rate", 0.2, 0.7),
    }


def search(task: SweepTask, settings: Sequence[Setting], steps_per_execution: int) -> dict[str, Any]:
    """Try all settings; what was tried, how many trials finished, the best validation accuracy of all epochs."""
    dataset = load_dataset(task.data_config)
    assert dataset.validation is not None
    (x, y), validation = prepared(dataset.train), prepared(dataset.validation)

    def objective(trial: optuna.Trial) -> float:
        keras.utils.clear_session()
        model = build_network(**suggest(trial), steps_per_execution=steps_per_execution)
        told = model.fit(x, y, BATCH_SIZE, task.epochs, validation_data=validation, verbose=0)
        return float(max(told.history["val_accuracy"]))

    study = optuna.create_study(direction="maximize")
    for setting in settings:
        study.enqueue_trial(setting)
    study.optimize(objective, n_trials=len(settings))
    values = [trial.value for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    return {
        "tried": [trial.params for trial in study.trials],
        "finished": len(values),
        "best_val_accuracy": max(values, default=None),
    }


def main(task_file: str, result_file: str) -> None:
    """Search as a file says, and write down what was found."""
    told = json.loads(Path(task_file).read_text(encoding="utf-8"))
    found = search(SweepTask(**told["task"]), told["settings"], told["steps_per_execution"])
    Path(result_file).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
