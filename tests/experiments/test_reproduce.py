"""A recorded run is trained again, as a user would ask for it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from experiments.reproduce import main
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import read_runs


@pytest.fixture(scope="module")
def trained(new_home: Callable[..., Path]) -> Path:
    """A working folder with a run."""
    return new_home(("tracking.run_name=first", "training.epochs=2", "tracking.log_model=false"))


@pytest.fixture
def here(trained: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    shutil.copytree(trained, project / "copy")
    monkeypatch.chdir(project / "copy")
    return project / "copy"


def change(key: str, value: float, step: int) -> None:
    """A metric that came out otherwise."""
    with closing(sqlite3.connect("mlflow.db")) as database, database:
        changed = database.execute("UPDATE metrics SET value = ? WHERE key = ? AND step = ?", (value, key, step))
        assert changed.rowcount == 1
        database.execute("UPDATE latest_metrics SET value = ? WHERE key = ? AND step = ?", (value, key, step))


def test_the_same_machine_comes_to_the_same_bits(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["first"]) == 0
    told = capsys.readouterr().out
    assert "settings, images, training code and libraries are those of the run" in told
    assert told.splitlines()[-1] == "verdict: identical to the bit, in all 2 epochs and every answer to the test images"
    now, then = read_runs(TrackingConfig())
    assert now.tags["reproduces"] == then.run_id
    assert now.name == f"reproduction-of-{then.run_id[:8]}"


def test_a_time_limit_does_not_shorten_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect("mlflow.db")) as database, database:
        limit = "UPDATE params SET value = '1e-06' WHERE key = 'training.max_minutes'"
        assert database.execute(limit).rowcount == 1
    assert main(["first"]) == 0
    assert "verdict: identical to the bit, in all 2 epochs" in capsys.readouterr().out


def test_the_first_difference_is_named_and_judged(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change("val_loss", 9.0, step=2)
    assert main(["first"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "verdict: within seed noise" in lines
    assert "first difference: val_loss of epoch 2 of 2" in lines
    assert "on the same 20 test images" in lines[-1]


def test_a_result_beyond_noise_is_different_and_exit_code_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change("test_accuracy", 0.99, step=2)
    change("loss", 9.0, step=1)
    assert main(["first"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "verdict: different" in lines
    assert "first difference: loss of epoch 1 of 2" in lines
    assert lines[-1].startswith("test_accuracy 99.00% then, ")


@pytest.mark.parametrize(
    ("typed", "told"), [([], "the following arguments are required: run"), (["frist"], "Did you mean first?")]
)
def test_a_mistake_is_one_line_and_exit_code_2(
    here: Path, typed: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert told in shown.err


def test_a_run_of_something_else_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect("mlflow.db")) as database, database:
        database.execute("DELETE FROM params WHERE key = 'model.name'")
    assert main(["first"]) == 2
    assert "error: model.name=" in capsys.readouterr().err


def test_its_help_says_what_noise_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "prediction interval" in capsys.readouterr().out
