"""How far a training has come, and whether it is to go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cifar.config import TrainingConfig

if TYPE_CHECKING:
    import numpy as np

Metrics = dict[str, float]


@dataclass
class Course:
    """How far a training has come. `seconds` are those trained up to the last epoch, by all processes together.

    The best epoch is the one with the highest validation accuracy, the first of equals; its weights are kept where
    they are wanted.
    """

    history: list[Metrics] = field(default_factory=list)
    best_epoch: int | None = None
    best_weights: list[np.ndarray] | None = field(default=None, repr=False)
    seconds: float = 0.0

    def add(self, metrics: Metrics, weights: Callable[[], list[np.ndarray]] | None = None) -> None:
        """Take in an epoch, and its weights, where they are wanted, if it is the best one."""
        self.history.append(metrics)
        best = -1.0 if self.best_epoch is None else self.history[self.best_epoch - 1]["val_accuracy"]
        if metrics.get("val_accuracy", -1.0) > best:
            self.best_epoch = len(self.history)
            self.best_weights = None if weights is None else weights()


def is_due(every: int, epoch: int, stop_reason: str | None) -> bool:
    """Whether an epoch is to be kept: each `every`th (0: none), and the last, so that a training can be extended."""
    return every > 0 and (epoch % every == 0 or stop_reason is not None)


def reason_to_stop(config: TrainingConfig, course: Course) -> str | None:
    """Why no further epoch should start, in plain words; None if one should."""
    epoch = len(course.history)
    if epoch >= config.epochs:
        return "all epochs done"
    patience = config.early_stopping_patience
    if patience is not None and epoch - (course.best_epoch or 0) >= patience:
        return f"no better validation accuracy for {patience} epochs"
    another = course.history[-1]["seconds"] if course.history else 0.0
    if config.max_minutes is not None and course.seconds + another > config.max_minutes * 60:
        return f"another epoch would end after {config.max_minutes:g} minutes"
    return None
