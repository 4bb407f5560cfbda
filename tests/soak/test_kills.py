"""A training that is killed outright goes on to the bits of one that was not, wherever the kill comes."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.soak import kills
from tests.soak.kills import (
    ARGV,
    Ended,
    Kill,
    Trainings,
    killed_again_and_again,
    never_killed,
    new_project,
    points,
    run_of,
    survives,
)

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


DEATHS = {
    "an epoch not kept yet": ("trained", 3, 2),
    "in the midst of a file": ("half written", 2, 2),
    "before it has its name": ("rename", 1, 2),
    "before its name is on the disk": ("fsync", SYNCS, 3),
    "while an old one is removed": ("unlink", 1, 4),
    "before an epoch is told": ("told", 1, 5),
}
"""Where one training dies, again and again: a fault, its number since the training went on, the epochs kept by then."""


@pytest.fixture(scope="module")
def lives(trainings: Trainings, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Kill], dict[str, Any]]:
    """The kills, and what the training came to after them all."""
    faults = [(name, number) for name, number, _ in DEATHS.values()]
    return killed_again_and_again(trainings, tmp_path_factory.mktemp("killed"), faults)


@pytest.mark.parametrize("number", range(len(DEATHS)), ids=[*DEATHS])
def test_a_kill_costs_one_epoch_at_most_and_not_one_bit(
    lives: tuple[list[Kill], dict[str, Any]], whole: dict[str, Any], number: int
) -> None:
    kills, end = lives
    fault, count, resumed = [*DEATHS.values()][number]
    assert kills[number] == Kill(f"{fault} {count}", killed=True, resumed=resumed)
    for name in ("weights", "history", "best_epoch"):
        assert end[name] == whole[name]


@pytest.fixture(scope="module")
def alone(
    trainings: Trainings, made_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Ended, dict[str, int]]:
    """A command of six epochs that is left alone: what it comes to, and the faults that it passed."""
    return never_killed(trainings, new_project(tmp_path_factory.mktemp("command") / "whole", made_database))


@pytest.fixture(scope="module")
def command(alone: tuple[Ended, dict[str, int]]) -> Ended:
    assert (alone[0].epochs, [*alone[0].statuses.values()]) == (6, ["FINISHED"])
    return alone[0]


@pytest.mark.parametrize(
    "fault",
    [("half written", 2 * FILES + 2), ("recorded", -1)],
    ids=["in the midst of a checkpoint", "when all but its log is recorded"],
)
def test_a_command_that_is_killed_and_resumed_ends_with_the_same_bits_and_no_metric_doubled(
    trainings: Trainings,
    alone: tuple[Ended, dict[str, int]],
    made_database: Path,
    tmp_path: Path,
    fault: tuple[str, int],
) -> None:
    project = new_project(tmp_path / "killed", made_database)
    name, number = fault
    assert survives(trainings, project, alone[0], fault=(name, number if number > 0 else alone[1][name]))
    assert (project / "output.txt").read_text().count("going on after epoch") == 1
    with closing(sqlite3.connect(project / "mlflow.db")) as store:
        assert store.execute("SELECT value FROM tags WHERE key = 'resumes'").fetchall() == [("1",)]
        assert store.execute("SELECT count(*) FROM logged_models").fetchall() == [(1,)]


def test_a_command_that_sigterm_stopped_says_how_to_go_on_and_does(
    trainings: Trainings, command: Ended, made_database: Path, tmp_path: Path
) -> None:
    project = new_project(tmp_path / "stopped", made_database)
    assert trainings.command(project, *ARGV, fault=("told", 3), signum=signal.SIGTERM) == 143
    said, way = (project / "output.txt").read_text().splitlines()[-2:]
    assert (said, way) == ("stopped by SIGTERM", f"to go on: python -m experiments.run resume={run_of(project)}")
    assert trainings.command(project, way.rpartition(" ")[2]) == 0
    assert Ended.read(project).equals(command)


def test_points_are_faults_and_moments_by_turns_and_the_same_for_a_seed() -> None:
    chosen = [*points({"fsync": 3, "rename": 1}, 2.0, 50, seed=0)]
    assert chosen == [*points({"fsync": 3, "rename": 1}, 2.0, 50, seed=0)]
    assert {point["fault"] for point in chosen[::2]} == {("fsync", 1), ("fsync", 2), ("fsync", 3), ("rename", 1)}
    assert all(0 <= point["seconds"] <= 2 for point in chosen[1::2])


def test_a_run_that_comes_to_another_end_is_lost(
    trainings: Trainings, command: Ended, tmp_path: Path, made_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    survived = iter([True, False, True])
    monkeypatch.setattr(kills, "never_killed", lambda *arguments: (command, {"fsync": 3}))
    monkeypatch.setattr(kills, "survives", lambda *arguments, **kill: next(survived))
    row = kills.kills(trainings, tmp_path, made_database, number=3)
    assert (row.what, row.tried, row.lost) == (
        "kill -9 at 3 random points of a run of 6 epochs, then resume=", 3, 1
    )  # fmt: skip


def test_ends_that_differ_in_one_value_or_have_two_runs_are_not_equal(command: Ended) -> None:
    (run_id,) = command.statuses
    for other in (
        replace(command, metrics=command.metrics + command.metrics[:1]),
        replace(command, weights=("0", command.weights[1])),
        replace(command, statuses={run_id: "RUNNING"}),
        replace(command, statuses={run_id: "FINISHED", "other": "FINISHED"}),
    ):
        assert not other.equals(command)
