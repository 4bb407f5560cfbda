"""What is told of the store, of runs, of their files and journals."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from experiments.health import records
from experiments.health.findings import Finding, Level
from experiments.health.records import Records
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store

NewRecorder = Callable[..., Recorder]


def quiet(doing: str) -> None: ...


def opened(uri: str = "sqlite:///mlflow.db") -> tuple[Records, list[Finding]]:
    """The records of this folder, and what is told of the store."""
    found = Records(uri, [Path("outputs")])
    return found, list(found.store(quiet))


def finish(new_recorder: NewRecorder, name: str = "one") -> Recorder:
    with new_recorder(run_name=name) as recorder:
        recorder.log_text("x" * 100, "a.txt")
    return recorder


def test_a_store_is_told_with_what_is_in_it(store: Store, new_recorder: NewRecorder) -> None:
    finish(new_recorder)
    found, told = opened()
    assert [item.level for item in told] == [Level.OK]
    assert told[0].text.startswith("sqlite:///mlflow.db: 1 run in 2 MLflow experiments, read by MLflow 3.")
    assert [item.text for item in found.runs(quiet)] == ["no run is at work, and none is left RUNNING"]
    assert [item.text for item in found.files(quiet)] == ["the files of 1 finished run are there"]
    assert [item.text for item in found.written(quiet)] == ["1 journal can be read"]


def test_where_nothing_was_recorded_there_is_nothing_to_look_at(project: Path) -> None:
    found, told = opened()
    assert [(item.level, item.text) for item in told] == [
        (Level.NOTE, "sqlite:///mlflow.db: is not there yet; the first run makes it")
    ]
    assert [*found.runs(quiet), *found.files(quiet)] == []
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE alembic_version SET version_num = 'ffffffffffff'", "was written by a newer MLflow"),
        ("UPDATE alembic_version SET version_num = '451aebb31d03'", "was written by an older MLflow"),
        ("CREATE TABLE _alembic_tmp_runs (a)", "its migration was cut off half-way (_alembic_tmp_runs is left over)"),
        ("DROP TABLE experiments", "is not a database of MLflow's"),
    ],
)
def test_a_database_that_this_mlflow_cannot_use_is_a_problem_and_stays_as_it_is(
    database: Path, damage: str, says: str
) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(damage)
    before = database.read_bytes()
    found, (told,) = opened()
    assert told.level is Level.PROBLEM
    assert told.text.startswith(f"mlflow.db: {says}")
    assert told.mend is None
    assert database.read_bytes() == before
    assert [*found.runs(quiet), *found.files(quiet)] == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everything")
def test_a_database_that_cannot_be_written_to_is_a_problem(database: Path) -> None:
    database.chmod(0o400)
    _, (told,) = opened()
    assert told.text.startswith("mlflow.db: cannot be written to. Allow it (chmod u+w mlflow.db)")


def test_a_database_that_is_damaged_inside_is_a_problem(store: Store, database: Path) -> None:
    store.client.create_run(store.experiment_id)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'latest_metrics'"
        ((page,), (size,)) = (connection.execute(sql).fetchone() for sql in (query, "PRAGMA page_size"))
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 100)
    found = [item for item in opened()[1] if item.level is Level.PROBLEM]
    assert any("is damaged inside" in item.text or "malformed" in item.text for item in found)


def test_a_server_that_is_away_is_a_problem(project: Path, impatient: None) -> None:
    _, (told,) = opened("http://me:canary@127.0.0.1:9")
    assert (told.level, "Connection refused" in told.text, "canary" in told.text) == (Level.PROBLEM, True, False)


def test_a_run_of_which_the_store_lacks_a_part_is_completed(store: Store, new_recorder: NewRecorder) -> None:
    recorder = finish(new_recorder)
    store.client.delete_tag(recorder.run_id, "journal.seq")
    Path(recorder.artifact_uri, "a.txt").unlink()
    found, _ = opened()
    assert list(found.files(quiet)) == [], "it is told once, by the next"
    lacks, _well = found.runs(quiet)
    assert (lacks.level, lacks.text) == (Level.PROBLEM, "the store lacks a part of 1 run: one in outputs/1")
    assert lacks.mend is not None
    assert lacks.mend() == "1 run complete"
    assert Path(recorder.artifact_uri, "a.txt").read_text() == "x" * 100
    found, _ = opened()
    assert [item.level for item in found.runs(quiet)] == [Level.OK]


def test_a_run_without_anything_that_tells_whose_it_is_is_a_warning_that_nothing_mends(store: Store) -> None:
    run_id = store.client.create_run(store.experiment_id, run_name="other").info.run_id
    found, _ = opened()
    told, _well = found.runs(quiet)
    assert (told.level, told.mend) == (Level.WARNING, None)
    assert told.text.endswith(f"an older version or another tool recorded it, and left alone: other (run {run_id})")


def test_files_are_looked_at_for_a_while_only_the_newest_first(
    store: Store, new_recorder: NewRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorders = [finish(new_recorder, str(number)) for number in range(3)]
    for recorder in recorders:
        Path(recorder.artifact_uri, "a.txt").unlink()
    found, _ = opened()
    assert [item.text.partition(" ")[0] for item in found.files(quiet)] == ["2", "1", "0"]
    clock = iter(range(100))
    monkeypatch.setattr(records.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(records, "LOOK_SECONDS", 2.5)
    told = list(found.files(quiet))
    assert told[-1].text == "only the 2 newest of 3 finished runs were looked at, for lack of time"
    assert told[0].text.endswith(": a.txt is missing")
    assert told[0].advice == "Restore them from a copy, such as outputs/3/artifacts, or train it again"


def test_a_damaged_journal_is_a_problem(store: Store, new_recorder: NewRecorder) -> None:
    finish(new_recorder)
    Path("outputs/1/journal.jsonl").write_text("{}\n")
    found, _ = opened()
    (told,) = found.written(quiet)
    assert (told.level, told.text.partition("; ")[0]) == (
        Level.PROBLEM,
        "outputs/1/journal.jsonl: line 1 is damaged",
    )
