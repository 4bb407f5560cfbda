"""Recorded runs that no store has."""

from __future__ import annotations

from itertools import count
from typing import Any

from experiments.tracking.reading import PARENT_TAG, RecordedRun

DEFAULTS = {
    "model.name": "model1",
    "optimizer.name": "sgd",
    "optimizer.learning_rate": "0.01",
    "data.name": "cifar10",
    "data.validation_size": "5000",
    "training.epochs": "15",
    "seed": "0",
}
numbers = count(1)


def recorded(
    validation: float | None = None,
    test: float | None = None,
    *,
    status: str = "FINISHED",
    name: str = "a run",
    run_id: str = "",
    parent: str | None = None,
    tags: dict[str, str] | None = None,
    metrics: dict[str, float] | None = None,
    began: int | None = None,
    **params: Any,
) -> RecordedRun:
    """A run of DEFAULTS but for `params`, whose double underscores stand for dots; None takes one away."""
    number = next(numbers)
    settings = DEFAULTS | {key.replace("__", "."): value for key, value in params.items()}
    scores = {"val_accuracy": validation, "test_accuracy": test}
    return RecordedRun(
        run_id=run_id or f"{number:032x}",
        name=name,
        status=status,
        experiment="cifar10",
        began=number if began is None else began,
        ended=None if status == "RUNNING" else number,
        params={key: str(value) for key, value in settings.items() if value is not None},
        tags=(tags or {}) | ({PARENT_TAG: parent} if parent else {}),
        metrics={key: value for key, value in scores.items() if value is not None} | (metrics or {}),
        artifact_uri="",
    )


def sweep_run(**named: Any) -> RecordedRun:
    """The run that trials are recorded below."""
    return recorded(**{"name": "optimizers", "sweep__space": "optimizers", "sweep__objective": "val_accuracy", **named})


def trial(number: int, score: float | None, parent: str, **named: Any) -> RecordedRun:
    """A trial of a sweep, with the score of its best epoch."""
    tags = {"sweep": "optimizers", "sweep.trial": str(number)} | named.pop("tags", {})
    metrics = {} if score is None else {"best_val_accuracy": score}
    return recorded(score, parent=parent, tags=tags, metrics=metrics, name=f"{number:04}-model1", **named)
