from __future__ import annotations

from pathlib import Path

from tests.soak import starts
from tests.soak.forks import apart


def test_three_times_eight_processes_start_at_once_on_no_database(tmp_path: Path) -> None:
    row = starts.measure("SQLite", tmp_path, [starts.new_file(tmp_path, number) for number in range(3)])
    assert (row.tried, row.lost) == (24, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_a_start_that_fails_is_counted(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "mlflow.db").write_text("no database " * 100)
    uri, experiment = starts.new_file(tmp_path, 0)
    assert apart(starts.start_together, tmp_path, uri=uri, experiment=experiment) == starts.PROCESSES
