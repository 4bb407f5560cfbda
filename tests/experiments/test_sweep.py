from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path

import pytest
from rich.console import Console

from experiments import sweep
from experiments.search import cluster
from experiments.search.conduct import Means
from experiments.search.config import TUNERS, SweepConfig, WorkersConfig
from experiments.search.driver import drive
from experiments.search.ledger import Ledger, open_ledger
from experiments.search.records import Limits, SweepError
from experiments.search.workers import Here, Job, Outcome
from experiments.sweep import main
from experiments.tracking.config import TrackingConfig
from experiments.tracking.signals import Terminated
from tests.experiments.search.sweeps import sweep_of


def test_a_dry_run_tells_the_trials_and_their_cost_and_leaves_nothing(tmp_path: Path) -> None:
    typed = [
        "space=depth",
        "data=sample",
        "epochs=quick",
        "sweep.max_trials=4",
        "sweep.dry_run=true",
        "sweep.max_minutes=600",
    ]
    command = [sys.executable, "-m", "experiments.sweep", *typed]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "model.depth=3" in done.stdout
    cost = "space=depth tuner=random: 4 trials, 12 epochs, 18,000 training images in all; judged by val_accuracy"
    lines = done.stdout.splitlines()
    time_needed = lines[lines.index(cost) + 1]
    amount = r"\d+ (s|min|h|h \d+ min|days)"
    assert re.fullmatch(
        rf"about {amount} with \d+ workers? on this machine "
        rf"\({amount} the search, at most {amount} the final trainings\); "
        r"trials that are pruned, fail or are reused take less; no trial begins after sweep\.max_minutes=600",
        time_needed,
    )
    assert all(line.startswith("others use") for line in lines[lines.index(time_needed) + 1 :])
    assert list(tmp_path.iterdir()) == []


def test_its_help_names_every_tuner_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in (*TUNERS, "none", "median", "halving", *(item.name for item in fields(SweepConfig))):
        assert name in shown


@pytest.mark.parametrize(
    "typed",
    [
        ["space=depht"],
        ["space=epochs", "tuner=hyperband", "sweep.max_trials=3"],
        ["resume=tests"],
        ["resume=a", "resume=b"],
        ["workers.count=0"],
        ["workers.address=bogus"],
        ["workers.address=tcp://127.0.0.1"],
        ["workers.address=http://127.0.0.1:8786"],
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sweeps").touch()
    assert main(["space=depth", "data=sample"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "'sweeps'" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("failing", "code"), [({1, 2}, 1), ({1}, 0)])
def test_where_every_trial_fails_the_exit_code_is_1(
    failing: set[int], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.number in failing:
            raise OSError("no space left")
        return Outcome(0.5)

    def conduct(ledger: Ledger, *_: object) -> str:
        ledger.begin(sweep_of(), Limits(2))
        return drive(ledger, Here(run))

    monkeypatch.setattr(sweep, "conduct", conduct)
    with open_ledger(tmp_path) as ledger:
        assert sweep._work(ledger, Means(WorkersConfig(), TrackingConfig()), Console()) == code


def test_a_sweep_whose_output_nobody_reads_any_more_goes_on_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unread: AbstractContextManager[None]
) -> None:
    def conduct(ledger: Ledger, means: Means, console: Console) -> str:
        console.print("a trial ended")
        ledger.begin(sweep_of(), Limits(2))
        return drive(ledger, Here(lambda job: Outcome(0.5)))

    monkeypatch.setattr(sweep, "conduct", conduct)
    with open_ledger(tmp_path) as ledger:
        with unread:
            assert sweep._work(ledger, Means(WorkersConfig(), TrackingConfig()), Console()) == 0
        assert len(ledger.history.ended) == 2


def test_a_sweep_that_is_stopped_says_how_to_go_on_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def conduct(*_: object) -> str:
        raise Terminated(signal.SIGHUP)

    monkeypatch.setattr(sweep, "conduct", conduct)
    with open_ledger(tmp_path) as ledger:
        assert sweep._work(ledger, Means(WorkersConfig(), TrackingConfig()), Console(soft_wrap=True)) == 129
    how = f"stopped by SIGHUP; to go on: python -m experiments.sweep resume={tmp_path}"
    assert capsys.readouterr() == (f"sweep: {tmp_path}\n{how}\n", "")


def test_a_sweep_is_looked_for_in_the_store_that_was_typed_and_then_in_the_usual_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str | None] = []

    def folder_of(named: str, tracking: TrackingConfig) -> Path:
        asked.append(tracking.uri)
        if tracking.uri is not None:
            raise SweepError("there is no sweep yet")
        return Path("sweeps/a")

    monkeypatch.setattr(sweep, "folder_of", folder_of)
    assert sweep._named("latest", ["tracking.uri=sqlite:///other.db"]) == Path("sweeps/a")
    assert sweep._named("latest", ["tracking.uri=null"]) == Path("sweeps/a")
    assert asked == ["sqlite:///other.db", None, None]


def test_where_no_scheduler_answers_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    assert main(["space=depth", "data=sample", "workers.address=tcp://127.0.0.1:9"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: workers.address=tcp://127.0.0.1:9: expected a Dask scheduler that answers")
    assert said.count("\n") == 1
    assert [*tmp_path.iterdir()] == []
