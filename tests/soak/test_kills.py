"""A training that is killed outright goes on to the bits of one that was not, wherever the kill comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.soak.kills import Kill, Trainings, kill_and_go_on, kills

FILES = 5
"""Of a checkpoint, with its manifest."""
SYNCS = FILES + 2
"""Of a checkpoint: its files, its folder, the folder above; before the first, once more."""


@pytest.fixture(scope="module")
def trainings() -> Iterator[Trainings]:
    with Trainings() as process:
        yield process


@pytest.fixture(scope="module")
def whole(trainings: Trainings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of six epochs without a kill."""
    return trainings.run(tmp_path_factory.mktemp("whole"))


def test_a_training_that_is_left_alone_comes_to_its_end(whole: dict[str, Any]) -> None:
    assert (whole["killed"], len(whole["history"]), whole["resumed"]) == (False, 6, 0)
    assert whole["faults"]["fsync"] == 1 + 6 * SYNCS


@pytest.mark.parametrize(
    ("fault", "number", "resumed"),
    [
        ("trained", 3, 2),
        ("half written", 2 * FILES + 2, 2),
        ("rename", 3, 2),
        ("fsync", 1 + 3 * SYNCS, 3),
        ("unlink", 1, 3),
        ("told", 5, 5),
    ],
    ids=[
        "an epoch not kept yet",
        "in the midst of a file",
        "before it has its name",
        "before its name is on the disk",
        "while an old one is removed",
        "before an epoch is told",
    ],
)
def test_a_kill_costs_one_epoch_at_most_and_not_one_bit(
    trainings: Trainings, whole: dict[str, Any], tmp_path: Path, fault: str, number: int, resumed: int
) -> None:
    done = kill_and_go_on(trainings, tmp_path, whole, (fault, number))
    assert done == Kill(f"{fault} {number}", killed=True, resumed=resumed, equal=True)


def test_random_kills_are_rows_of_a_table(trainings: Trainings, tmp_path: Path) -> None:
    rows = kills(trainings, tmp_path, points=2)
    assert [row.equal for row in rows] == [True, True]
    assert rows[0].killed
    assert rows[1].at.endswith(" s")
