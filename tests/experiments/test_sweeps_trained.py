"""Sweeps that really train, on workers of this machine and on a cluster, undisturbed and killed at any moment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.search.ledger import read_ledger
from experiments.search.records import Trial
from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import read_journal
from experiments.tracking.lookup import identity_of
from experiments.tracking.store import open_store

ROOT = Path(__file__).resolve().parents[2]
TRIALS, EPOCHS = 4, 10
FINALS = ["winner", "default"]
"""Whose settings are trained again in the end, on one seed each."""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    taken = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return taken | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Path:
    """The working folder of all sweeps here."""
    home = tmp_path_factory.mktemp("home")
    shutil.copy(made_database, home / "mlflow.db")
    return home


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[str]:
    """A Dask scheduler and two workers, each a process of its own, as a user would start them."""
    folder = tmp_path_factory.mktemp("cluster")
    quiet = ["--host", "127.0.0.1", "--no-dashboard"]
    with ExitStack() as stack:

        def start(*command: str) -> None:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command, *quiet], cwd=folder, env=environment, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)

        start("scheduler", "--port", "0", "--scheduler-file", "scheduler.json")
        file = folder / "scheduler.json"
        wait_for(lambda: file.is_file() and file.read_text().endswith("}"))
        address = str(json.loads(file.read_text())["address"])
        for _ in range(2):
            start("worker", address, "--nthreads", "1", "--local-directory", "scratch")
        yield address


def wait_for(condition: Callable[[], object], seconds: float = 280) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.fixture(scope="module")
def start(home: Path, environment: dict[str, str], tiny: tuple[str, ...]) -> Callable[..., subprocess.Popen[str]]:
    """Starts `python -m experiments.sweep`; a new sweep if no `resume=` is given."""

    def start(*typed: str) -> subprocess.Popen[str]:
        space = [f"--config-dir={home}", "space=tiny", f"sweep.max_trials={TRIALS}", "sweep.final_seeds=1"]
        new = [*space, *tiny, f"training.epochs={EPOCHS}", "compute=cpu", "compute.threads=1"]
        new = [] if typed[0].startswith("resume=") else new
        return subprocess.Popen(
            [sys.executable, "-m", "experiments.sweep", *new, *typed],
            cwd=home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    (home / "space").mkdir()
    space = {"name": "tiny", "search": {"model.dropout_rate": {"low": 0, "high": 0.5}}}
    (home / "space" / "tiny.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
    return start


def ended(process: subprocess.Popen[str]) -> str:
    """What a sweep printed that ended well."""
    out, err = process.communicate(timeout=240)
    assert (process.returncode, err) == (0, "")
    return out


def new_folder(home: Path, before: set[Path]) -> Path:
    """Of the sweep that was just started."""
    found: list[Path] = []

    def look() -> list[Path]:
        found[:] = [path.parent for path in home.glob("sweeps/*/ledger.jsonl") if path.parent not in before]
        return found

    wait_for(look)
    return found[0]


def results(folder: Path) -> list[tuple[Any, ...]]:
    """What may not depend on kills."""
    history = read_ledger(folder)
    return [
        *((trial.point, trial.state, trial.score, trial.curve) for trial in history.trials),
        *((final.of, final.config["seed"], final.state, final.score, scores(final)) for final in history.finals),
    ]


def scores(final: Trial) -> list[float]:
    """On the test images."""
    return [final.facts["test_accuracy"], final.facts["test_loss"]]


def runs_of(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The sweep's run in MLflow, then those below it in the order of their trials, then of its final trainings."""
    monkeypatch.chdir(home)
    store = open_store(TrackingConfig())
    runs = store.client.search_runs([store.experiment_id], max_results=1000)
    identity = read_journal(folder / "journal.jsonl")[0].facts["id"]
    (parent,) = [run for run in runs if identity_of(run) == identity]
    below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    return [parent, *sorted(below, key=place_of)]


def place_of(run: Any) -> tuple[bool, int]:
    """Of a run below a sweep's: whether it is a final training, and its number."""
    tags = run.data.tags
    return "sweep.final" in tags, int(tags.get("sweep.final") or tags["sweep.trial"])


def assert_recorded_once(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent, *below = runs_of(home, folder, monkeypatch)
    trials: list[Trial] = read_ledger(folder).trials
    finals: list[Trial] = read_ledger(folder).finals
    assert [run.info.status for run in (parent, *below)] == ["FINISHED"] * (1 + TRIALS + len(FINALS))
    assert [run.data.metrics["best_val_accuracy"] for run in below] == [trial.score for trial in [*trials, *finals]]
    below, ends = below[:TRIALS], below[TRIALS:]
    assert [run.data.tags["sweep.trial"] for run in below] == [str(trial.number) for trial in trials]
    assert [run for run in below if "test_accuracy" in run.data.metrics] == []
    assert [run.data.tags["sweep.final_of"] for run in ends] == [final.of for final in finals] == FINALS
    assert [run.info.run_id for run in ends] == [final.facts["run_id"] for final in finals]
    assert [[run.data.metrics[name] for name in ("test_accuracy", "test_loss")] for run in ends] == [
        scores(final) for final in finals
    ]
    assert [run.data.tags["test_evaluations"] for run in ends] == ["1", "1"]
    assert [run for run in (*below, *ends) if "reused_from" in run.data.tags] == []
    store = open_store(TrackingConfig())
    for run in (*below, *ends):
        history = store.client.get_metric_history(run.info.run_id, "val_accuracy")
        assert [item.step for item in history] == list(range(1, EPOCHS + 1))
    assert [len(store.client.get_metric_history(run.info.run_id, "test_accuracy")) for run in ends] == [1, 1]


@pytest.fixture(scope="module")
def undisturbed(home: Path, start: Callable[..., subprocess.Popen[str]]) -> tuple[Path, str]:
    """A sweep on a worker of this machine that nobody killed: its folder, and what it printed."""
    process = start("workers.count=1")
    folder = new_folder(home, set())
    return folder, ended(process)


def test_a_sweep_trains_its_trials_and_records_them_below_its_own_run(
    undisturbed: tuple[Path, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, shown = undisturbed
    trials = read_ledger(folder).trials
    assert [trial.state for trial in trials] == ["finished"] * TRIALS
    assert_recorded_once(home, folder, monkeypatch)
    (parent, *_) = runs_of(home, folder, monkeypatch)
    best = max(trials, key=lambda trial: trial.score or 0)
    assert parent.data.metrics["best_val_accuracy"] == best.score
    assert f"{TRIALS} of {TRIALS} trials done" in parent.data.tags["mlflow.note.content"]
    names = {path.name for path in (folder / "artifacts").iterdir()}
    assert {"leaderboard.md", "leaderboard.json", "best.yaml", "space.yaml", "figures"} <= names
    figures = {path.name for path in (folder / "artifacts" / "figures").iterdir()}
    assert figures == {"best_so_far.png", "score_by_setting.png", "parallel_coordinates.png"}
    assert f"best of {TRIALS} trials: trial {best.number}, val_accuracy {best.score:.2%}" in shown
    assert not (folder / "workers").exists()


def test_it_ends_with_the_winner_and_the_default_scored_on_the_test_images(
    undisturbed: tuple[Path, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, shown = undisturbed
    history = read_ledger(folder)
    best = max(history.trials, key=lambda trial: trial.score or 0)
    winner, default = history.finals
    rates = [final.config["model"]["dropout_rate"] for final in (winner, default)]
    assert (rates, [final.config["seed"] for final in (winner, default)]) == ([*best.point.values(), 0.25], [1, 1])
    (parent, *_) = runs_of(home, folder, monkeypatch)
    one, other = winner.facts["test_accuracy"], default.facts["test_accuracy"]
    assert parent.data.metrics["winner_test_accuracy"] == one
    assert parent.data.metrics["test_accuracy_difference"] == pytest.approx(one - other)
    told = json.loads((folder / "artifacts" / "verdict.json").read_text(encoding="utf-8"))
    assert told["test_accuracy"]["default"] == {"n": 1, "mean": other, "deviation": None}
    assert (told["settings_tried"], told["looks_at_test_images"]) == (TRIALS, 2)
    assert f"winner, trial {best.number} (model.dropout_rate={rates[0]}): test accuracy {one:.2%}" in shown.replace(
        " %", "%"
    )
    assert "this sweep looked at the test images 2 times, once after each training" in shown
    for final in (winner, default):
        assert (folder / final.facts["folder"] / "artifacts" / "predictions" / "test_predictions.npz").is_file()


def test_killed_workers_and_drivers_change_no_trial_and_double_none(
    undisturbed: tuple[Path, str],
    home: Path,
    start: Callable[..., subprocess.Popen[str]],
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over TCP: a worker is killed in the middle of a trial, then the driver; resumed, a worker in the end's midst."""
    driver = start(f"workers.address={address}", "sweep.reuse=false", "tracking.log_model=false")
    folder = new_folder(home, {undisturbed[0]})
    first = folder / "trials" / "0001"
    wait_for((first / "checkpoints" / "epoch-0002").exists)
    os.kill(process_of(first), signal.SIGKILL)
    wait_for(lambda: read_ledger(folder).trials[0].lost == 1)
    driver.kill()
    driver.communicate()
    assert not read_ledger(folder).trials[0].has_ended
    resumed = start(f"resume={folder.relative_to(home)}")
    final = folder / "finals" / "0001"
    wait_for((final / "checkpoints" / "epoch-0002").exists)
    os.kill(process_of(final), signal.SIGKILL)
    ended(resumed)
    assert sum(final.lost for final in read_ledger(folder).finals) == 1
    assert results(folder) == results(undisturbed[0])
    assert_recorded_once(home, folder, monkeypatch)


def process_of(trial: Path) -> int:
    """Which one trains it."""
    tags = [entry.facts["values"] for entry in read_journal(trial / "journal.jsonl") if entry.kind == "tags"]
    return int(dict(tags[0])["process.pid"])
