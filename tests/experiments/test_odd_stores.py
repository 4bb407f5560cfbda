"""Whatever a store holds, or does not hold, every command that is given a RUN says something useful in one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from experiments import compare, predict, promote, report, reproduce, run, sweep
from tests.experiments.test_report import add_run

COMMANDS: dict[str, Callable[[str], int]] = {
    "compare": lambda named: compare.main([named, named]),
    "reproduce": lambda named: reproduce.main([named]),
    "predict": lambda named: predict.main([named, "a.png"]),
    "promote": lambda named: promote.main([named]),
    "run": lambda named: run.main([f"resume={named}"]),
    "sweep": lambda named: sweep.main([f"resume={named}"]),
}

OF_A_RUN = [name for name in COMMANDS if name != "sweep"]


@pytest.fixture
def odd(database: Path) -> Path:
    """One that goes on, one that failed, a deleted one, one of another project, and two of older versions."""
    with closing(sqlite3.connect(database)) as rows, rows:
        add_run(rows, "a" * 32, params={"model.name": "model1"}, metrics={"best_val_accuracy": 0.5})
        add_run(rows, "b" * 32, "RUNNING", params={"model.name": "model1"})
        add_run(rows, "c" * 32, "FAILED", params={"model.name": "model1"}, tags={"error": "boom"})
        add_run(rows, "d" * 32, params={"model.name": "model1"})
        add_run(rows, "e" * 32, params={"somebody": "else's"})
        add_run(rows, "f" * 32, params={"model.name": "model1", "optimizer.name": "gone", "seed": "x"})
        rows.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", ["d" * 32])
        rows.execute("UPDATE runs SET name = NULL, artifact_uri = NULL WHERE run_uuid = ?", ["f" * 32])
    return database


def refusal(command: str, named: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert COMMANDS[command](named) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    return shown.err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("there", [False, True])
def test_where_there_are_no_runs_it_says_how_to_make_one(
    command: str, there: bool, project: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    if there:
        request.getfixturevalue("database")
    assert "there are no runs yet. Make one: python -m experiments.run" in refusal(command, "nobody", capsys)
    made = {path.name.partition("-")[0] for path in project.iterdir()}
    assert made <= {"mlflow.db", "mlflow.db.lock"} if there else not made


@pytest.mark.parametrize("command", OF_A_RUN)
@pytest.mark.parametrize("word", ["best", "latest", "champion"])
def test_a_word_without_a_run_says_how_to_make_one(
    command: str, word: str, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "python -m experiments." in refusal(command, word, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_deleted_run_says_how_to_get_it_back(command: str, odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "was deleted. Restore it first: mlflow runs restore --run-id dddd" in refusal(command, "d" * 32, capsys)


@pytest.mark.parametrize(
    ("command", "named", "told"),
    [
        ("reproduce", "aaaa", "optimizer.name=: expected one of rmsprop"),
        ("reproduce", "eeee", "The run did not record it"),
        ("reproduce", "ffff", "optimizer.name=gone: expected one of rmsprop"),
        ("predict", "bbbb", "model: none was recorded (tracking.log_model=false, or it did not end)"),
        ("predict", "ffff", "model: none was recorded"),
        ("promote", "bbbb", "is RUNNING; only a finished run is promoted"),
        ("promote", "cccc", "is FAILED; only a finished run is promoted"),
        ("promote", "ffff", "optimizer.name=gone: expected one of rmsprop"),
        ("run", "aaaa", "bring the folder here and name it: resume=FOLDER"),
        ("sweep", "aaaa", "bring it here and name it: resume=FOLDER"),
    ],
)
def test_a_run_that_lacks_what_is_needed_says_what(
    command: str, named: str, told: str, odd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refusal(command, named, capsys)


@pytest.mark.parametrize("named", ["aaaa", "bbbb", "cccc", "eeee", "ffff"])
def test_any_two_runs_are_compared_in_what_they_have(named: str, odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["aaaa", named]) == 0
    assert "Which is better on the test images cannot be said" in capsys.readouterr().out


def test_a_report_counts_them_all(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for part in ("2 finished trainings", "1 run going on", "1 run failed or stopped", "1 run of other projects"):
        assert part in told
    assert Path("report.html").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_is_away_is_said_to_be(
    command: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    told = refusal(command, "nobody", capsys)
    assert "is in no folder here, and http://127.0.0.1:9 cannot be reached: Connection refused" in told
