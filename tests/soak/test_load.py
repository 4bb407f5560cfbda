from __future__ import annotations

from pathlib import Path

import pytest

from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import open_recorder
from tests.services.server import Server
from tests.soak import load
from tests.soak.load import Load, measure, value, wrong


def test_1600_values_of_eight_processes_are_all_there(tmp_path: Path) -> None:
    row = measure(load.ONE_BY_ONE, "SQLite", tmp_path, "sqlite:///mlflow.db")
    assert (row.tried, row.lost) == (1600, 0)


def test_a_server_keeps_every_value_too(team_server: Server, tmp_path: Path) -> None:
    row = measure(Load(8, 10, 5), "server", tmp_path, team_server.address, team_server.credentials)
    assert (row.tried, row.lost) == (400, 0)


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """A load of which one value is missing, one is at another epoch, and one has another number."""
    few = Load(runs=2, epochs=3, metrics=1)
    monkeypatch.chdir(tmp_path)
    for run in range(few.runs):
        with open_recorder(TrackingConfig(experiment=str(few), run_name=str(run)), tmp_path / str(run)) as recorder:
            recorder.log_epoch(1, {"m0": value(run, 0, 1)})
            recorder.log_epoch(2 if run else 9, {"m0": value(run, 0, 2)})
            if run:
                recorder.log_epoch(3, {"m0": value(run, 0, 3) + 1})
    return few


def test_what_is_missing_misplaced_or_wrong_is_counted(few: Load) -> None:
    missing_altogether, misplaced, another_number = 1, 2, 2
    assert wrong(f"sqlite:///{Path('mlflow.db').resolve()}", few) == missing_altogether + misplaced + another_number
