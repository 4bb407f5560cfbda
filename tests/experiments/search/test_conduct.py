"""Sweeps that really train are in tests/experiments/test_sweeps_trained.py."""

from __future__ import annotations

import io
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from cifar.config import DataConfig, RunConfig
from experiments.search import conduct
from experiments.search.conduct import Means, tell, threads_of
from experiments.search.config import WorkersConfig
from experiments.search.driver import drive
from experiments.search.ledger import open_ledger
from experiments.search.records import Limits, SweepError
from experiments.search.workers import Here, Job, Outcome
from experiments.tracking.config import TrackingConfig
from tests.experiments.search.sweeps import SMALL, run_sweep, sweep_of, train


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


def told(folder: Path, reason: str = "5 trials") -> list[str]:
    """What is said in the end of the sweep in this folder, but for its leaderboard."""
    shown = io.StringIO()
    with open_ledger(folder) as ledger:
        tell(ledger.history, folder, reason, Console(file=shown, width=500))
    lines = shown.getvalue().splitlines()
    return lines[next(number for number, line in enumerate(lines) if line.startswith("best of")) :]


def test_it_says_what_the_winner_scores_beside_the_default_and_how_often_the_test_images_were_looked_at(
    tmp_path: Path,
) -> None:
    run_sweep(tmp_path, sweep_of(), Limits(5, final_seeds=2))
    best, how, winner, default, difference, chosen, end = told(tmp_path)
    assert best.startswith("best of 5 trials: ")
    assert how.startswith("to run it: ")
    assert winner.startswith("winner, trial ")
    assert default.startswith("default, with nothing searched: test accuracy ")
    assert difference.startswith("the winner is worse by 10.60 points, 95 % interval ")
    assert chosen.startswith(
        "chosen among 5 settings, by validation only; trained again on seeds that chose nothing (1, 2)"
    )
    assert chosen.endswith("this sweep looked at the test images 4 times, once after each training of its own")
    assert end.startswith("stopped: 5 trials; to go on: ")


def test_it_says_what_has_to_be_typed_to_go_on_and_nothing_where_all_was_tried(tmp_path: Path) -> None:
    on = f"; to go on: python -m experiments.sweep resume={tmp_path}"
    space = {"name": "two", "search": {"model.dropout_rate": [0.1, 0.2]}}
    run_sweep(tmp_path, sweep_of(space=space), Limits(2))
    assert told(tmp_path, "2 trials")[-1] == f"stopped: 2 trials{on} sweep.max_trials=..."
    with open_ledger(tmp_path) as ledger:
        ledger.extend(Limits(9, max_minutes=60))
        reason = drive(ledger, Here(train))
    assert told(tmp_path, reason)[-1] == "stopped: every point of two was tried"
    assert told(tmp_path, "60 minutes are over")[-1] == f"stopped: 60 minutes are over{on} sweep.max_minutes=..."


def test_without_final_trainings_it_says_nothing_of_the_test_images(tmp_path: Path) -> None:
    run_sweep(tmp_path, sweep_of(), Limits(5))
    assert len(told(tmp_path)) == 3
    assert "test" not in "".join(told(tmp_path)).replace(str(tmp_path), "")


def test_it_says_how_many_results_were_taken_over(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        outcome = train(job)
        return replace(outcome, facts={**outcome.facts, "reused": "abc"}) if job.trial.number == 1 else outcome

    run_sweep(tmp_path, sweep_of(), Limits(5, final_seeds=1), run)
    assert "2 results were taken over from equal runs; sweep.reuse=false trains them again" in told(tmp_path)


def test_images_that_cannot_be_had_are_an_error_in_a_line_before_anything_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conduct, "open_parent", lambda *arguments: pytest.fail("recorded"))
    nowhere = asdict(RunConfig(data=DataConfig(path=str(tmp_path / "nowhere"))))
    sweep = replace(sweep_of(space=SMALL), bases=({"picks": {}, "config": nowhere},))
    with open_ledger(tmp_path) as ledger:
        ledger.begin(sweep, Limits(2))
        with pytest.raises(SweepError) as error:
            conduct.conduct(ledger, Means(WorkersConfig(), TrackingConfig()), Console(quiet=True))
        assert [trial.number for trial in ledger.history.trials] == []
    assert str(tmp_path / "nowhere") in str(error.value)
    assert len(str(error.value).splitlines()) == 1
