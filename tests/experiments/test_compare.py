"""Two recorded runs are compared, as a user would do it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from experiments.compare import main


@pytest.fixture(scope="module")
def trained(new_home: Callable[..., Path]) -> Path:
    """A working folder with three runs: two that differ in the seed, and the first again."""
    common = ("training.epochs=2", "tracking.log_model=false")
    names = (("one", 0), ("two", 1), ("again", 0))
    return new_home(*((*common, f"seed={seed}", f"tracking.run_name={name}") for name, seed in names))


@pytest.fixture
def here(trained: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def test_the_seed_is_all_that_differs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["one", "two", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["settings"] == {"seed": ["0", "1"]}
    assert (found["code"], found["packages"], found["data"], found["changed_files"]) == ({}, {}, {}, [])
    assert found["test"]["n"] == 20
    assert found["first_difference"] == 1
    assert found["epochs"] == [2, 2]


def test_a_run_that_was_made_again_is_equal_to_the_bit(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["one", "again"]) == 0
    told = capsys.readouterr().out
    assert "A and B cannot be told apart: they score the same" in told
    assert "Nothing differs in settings, code, packages or data." in told
    assert "equal to the bit as far as both go" in told


def test_a_run_without_predictions_is_compared_in_all_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predictions = next(here.glob("mlruns/**/test_predictions.npz"))
    aside = predictions.rename(predictions.with_suffix(".aside"))
    try:
        assert main(["one", "two"]) == 0
        assert main(["two", "again"]) == 0
        told = capsys.readouterr().out
        assert "Which is better on the test images cannot be said" in told
    finally:
        aside.rename(predictions)


def test_one_run_beside_itself_is_said_to_be_that(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["two", "two"]) == 0
    assert capsys.readouterr().out.splitlines()[2] == "A and B are one and the same run."


def test_a_run_that_did_not_finish_is_named_with_its_status(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect("mlflow.db")) as database:
        database.execute("VACUUM INTO ?", [f"{tmp_path}/mlflow.db"])
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("mlflow.db")) as database, database:
        database.execute("UPDATE runs SET status = 'FAILED' WHERE name = 'two'")
    assert main(["one", "two"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(", FAILED)")


def test_where_files_cannot_be_had_the_rest_is_compared_and_it_is_said_why(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect("mlflow.db")) as database:
        database.execute("VACUUM INTO ?", [f"{tmp_path}/mlflow.db"])  # a copy of the file would lack what is in its log
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("mlflow.db")) as database, database:
        database.execute("UPDATE runs SET artifact_uri = 'mlflow-artifacts:/' || artifact_uri")
    assert main(["one", "two"]) == 0
    told = capsys.readouterr().out
    assert "Which is better on the test images cannot be said: run " in told
    assert "its files are kept by a server of MLflow's. Ask that: --uri http://HOST:5000" in told
    assert "Different: 1 setting." in told


def test_damaged_predictions_are_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for predictions in here.glob("mlruns/**/test_predictions.npz"):
        whole = predictions.read_bytes()
        predictions.write_bytes(whole[:100])
        try:
            codes = {main(["one", "two"]), main(["again", "one"])}
        finally:
            predictions.write_bytes(whole)
        assert 2 in codes
        assert "its predictions cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["one"], "the following arguments are required: b"),
        (["one", "tow"], "run tow: there is no such run. Did you mean"),
        (["one", "champion"], "no network is the champion"),
        (["one", "two", "--uri", "sqlite:///typo.db"], "sqlite:///typo.db: there is no such database"),
        (["one", "champion", "--uri", "http://127.0.0.1:9"], "http://127.0.0.1:9: cannot be reached"),
        (
            ["one", "no\nsuch", "--uri", "http://127.0.0.1:9"],
            "in no folder here, and http://127.0.0.1:9 cannot be reached",
        ),
        (["one", "two", "--uri", "http://127.0.0.1:9"], "http://127.0.0.1:9: cannot be reached: Connection refused"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    here: Path, typed: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert told in shown.err


def test_its_help_says_what_it_tells(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "is it better on the test images" in capsys.readouterr().out
