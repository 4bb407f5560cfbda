"""What the source document reports, beside what the recorded trainings of the same kind score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cifar.document import TEST_ACCURACY, TEST_LOSS
from experiments.results.boards import Board, Group
from experiments.results.statistics import t_interval
from experiments.tracking.words import REAL

EPOCHS = "15"
NOTHING = ("", "null")


@dataclass(frozen=True)
class Row:
    """One network of the document.

    Attributes:
        repeated: trainings as the document has them: 15 epochs on all 50,000 training images. Of several settings the
            one with the most seeds, of these the newest; never the one that scores best.
        best: the group that is best on validation images, if it was scored on the test images.
    """

    model: str
    accuracy: float
    loss: float
    repeated: Group | None
    best: Group | None

    @property
    def less(self) -> float | None:
        """The test accuracy of the repeated training less the document's."""
        return self.repeated.test.mean - self.accuracy if self.repeated and self.repeated.test else None

    @property
    def agrees(self) -> bool | None:
        """Whether the 95 % interval over seeds holds the document's accuracy; None where there is no interval."""
        if self.repeated is None or self.repeated.test is None:
            return None
        interval = t_interval(self.repeated.test)
        return None if interval is None else interval[0] <= self.accuracy <= interval[1]


def beside_the_document(boards: Iterable[Board]) -> list[Row]:
    """A row for each network of the document, from the board of real images."""
    groups = [group for board in boards if board.data == REAL for group in board.groups]
    return [_row(model, [group for group in groups if group.model == model and group.test]) for model in TEST_ACCURACY]


def _row(model: str, scored: Sequence[Group]) -> Row:
    repeated = max(filter(_as_the_document, scored), key=_evidence, default=None)
    best = next((group for group in scored if group.validation), None)
    return Row(model, TEST_ACCURACY[model], TEST_LOSS[model], repeated, best)


def _as_the_document(group: Group) -> bool:
    settings = group.settings
    return (
        settings.get("training.epochs") == EPOCHS
        and settings.get("data.validation_size") == "0"
        and settings.get("data.train_size", "") in NOTHING
        and settings.get("data.test_size", "") in NOTHING
    )


def _evidence(group: Group) -> tuple[int, int]:
    assert group.test is not None
    return group.test.n, max(run.began for run in group.runs)
