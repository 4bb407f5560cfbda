"""Sweeps that really train are in tests/experiments/test_sweeps_trained.py."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from experiments.search import conduct
from experiments.search.conduct import Means, tell, threads_of
from experiments.search.config import WorkersConfig
from experiments.search.ledger import open_ledger
from experiments.search.records import Limits, SweepError
from experiments.tracking.config import TrackingConfig
from tests.experiments.search.sweeps import run_sweep, sweep_of


def test_what_a_sweep_is_worked_on_with_is_kept_without_a_password(tmp_path: Path) -> None:
    means = Means(WorkersConfig(count=3), TrackingConfig(uri="https://me:secret@host:5000", experiment="mine"))
    means.keep(tmp_path)
    assert "secret" not in (tmp_path / "means.json").read_text()
    again = Means.of(tmp_path)
    assert (again.workers, again.tracking.experiment) == (means.workers, "mine")


@pytest.mark.parametrize("text", [None, "{", "[]", '{"workers": {"cuont": 3}, "tracking": {}}'])
def test_one_that_was_lost_or_damaged_is_said_so(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "means.json").write_text(text)
    with pytest.raises(SweepError, match=r"means\.json: cannot be read"):
        Means.of(tmp_path)


def test_trials_side_by_side_have_a_thread_each_and_one_alone_has_all() -> None:
    assert threads_of(WorkersConfig(count=2), "cpu") == 1
    assert threads_of(WorkersConfig(count=1), "cpu") is None
    assert threads_of(WorkersConfig(count=2, address="tcp://host:1"), "cpu") is None


def test_a_password_comes_from_the_environment_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host:5000")
    kept = conduct.kept_address("https://me:secret@host:5000")
    assert conduct._from_here(TrackingConfig(uri=kept)).uri == "https://me:secret@host:5000"
    assert conduct._from_here(TrackingConfig()).uri == "https://me:secret@host:5000"
    assert conduct._from_here(TrackingConfig(uri="https://other:5000")).uri == "https://other:5000"


def test_in_the_end_it_says_which_is_best_of_how_many_and_how_to_run_it(tmp_path: Path) -> None:
    trials = run_sweep(tmp_path, sweep_of(), Limits(5))
    best = max((trial for trial in trials if trial.score is not None), key=lambda trial: trial.score or 0)
    shown = io.StringIO()
    with open_ledger(tmp_path) as ledger:
        tell(ledger.history, tmp_path, "5 trials", Console(file=shown, width=300))
    assert f"best of 5 trials: trial {best.number}, val_accuracy {best.score:.2%}" in shown.getvalue()
    assert f"experiment={tmp_path / 'best.yaml'}" in shown.getvalue()
