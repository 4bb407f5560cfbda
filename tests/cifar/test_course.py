"""How far a training has come, which epoch was its best, and why it ends."""

from __future__ import annotations

import numpy as np
import pytest

from cifar.config import TrainingConfig
from cifar.course import Course, is_due, reason_to_stop


def course(*accuracies: float, seconds: float = 0.0) -> Course:
    made = Course()
    for epoch, accuracy in enumerate(accuracies, start=1):
        made.add({"val_accuracy": accuracy, "seconds": 10.0}, lambda epoch=epoch: [np.array(epoch)])
    made.seconds = seconds
    return made


def test_the_best_epoch_is_the_first_of_equals_and_has_its_weights() -> None:
    made = course(0.1, 0.3, 0.3, 0.2)
    assert made.best_epoch == 2
    assert made.best_weights == [2]
    assert course(0.0).best_epoch == 1


def test_without_validation_images_no_epoch_is_the_best() -> None:
    made = Course()
    made.add({"loss": 1.0})
    assert (made.best_epoch, made.best_weights) == (None, None)


def test_the_weights_are_read_only_if_they_are_wanted() -> None:
    made = Course()
    made.add({"val_accuracy": 0.5})
    assert (made.best_epoch, made.best_weights) == (1, None)


@pytest.mark.parametrize(
    ("settings", "accuracies", "seconds", "reason"),
    [
        ({"epochs": 3}, (), 0, None),
        ({"epochs": 3}, (0.1, 0.2), 1e9, None),
        ({"epochs": 2}, (0.1, 0.2), 0, "all epochs done"),
        ({"early_stopping_patience": 2}, (0.2, 0.1), 0, None),
        ({"early_stopping_patience": 2}, (0.2, 0.1, 0.2), 0, "no better validation accuracy for 2 epochs"),
        ({"early_stopping_patience": 2}, (0.2, 0.1, 0.3), 0, None),
        ({"max_minutes": 1}, (0.1,), 50, None),
        ({"max_minutes": 1}, (0.1,), 50.1, "another epoch would end after 1 minutes"),
        ({"max_minutes": 1e-9}, (), 0, None),
        ({"max_minutes": 1, "epochs": 1}, (0.1,), 99, "all epochs done"),
    ],
)
def test_a_training_ends_for_a_reason(
    settings: dict[str, float], accuracies: tuple[float, ...], seconds: float, reason: str | None
) -> None:
    assert reason_to_stop(TrainingConfig(**settings), course(*accuracies, seconds=seconds)) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("every", "epoch", "last", "due"),
    [(1, 1, False, True), (3, 2, False, False), (3, 3, False, True), (3, 4, True, True), (0, 4, True, False)],
)
def test_each_nth_epoch_is_due_and_the_last(every: int, epoch: int, last: bool, due: bool) -> None:
    assert is_due(every, epoch, "all epochs done" if last else None) == due
