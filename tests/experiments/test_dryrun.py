"""A dry run with speeds that are given, on a pipe and on a terminal; and a real one that Ctrl-C ends."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from cifar.config import ComputeConfig, RunConfig
from experiments import dryrun
from experiments.search.speeds import Speeds, Timed, shape_of
from experiments.search.timing import TimingError
from experiments.speed import Speed
from experiments.sweepline import read_line

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was to be timed: nothing is, and 1,000 images a second are trained, 10,000 looked at."""
    calls: list[Any] = []

    def given(runs: Sequence[RunConfig], processes: int, compute: ComputeConfig, tell: Callable[[str], None]) -> Speeds:
        calls.append((len(runs), processes, compute.threads))
        tell(f"timing {runs[0].model.name}")
        works = {shape_of(run.model): 1 for run in runs}
        return Speeds(works, {"model3": [Timed(1, Speed(1000.0, 10_000.0))]})

    monkeypatch.setattr(dryrun, "time_networks", given)
    monkeypatch.setattr(dryrun, "busy", lambda: None)
    return calls


def shown(*typed: str, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), soft_wrap=True, width=200, force_terminal=terminal)
    dryrun.tell(read_line(["space=depth", "sweep.dry_run=true", *typed]), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_of_many_trials_the_first_are_shown_and_all_are_counted(asked: list[Any]) -> None:
    lines = shown("tuner=grid", "sweep.max_trials=70", "workers.count=1", "training.epochs=2").splitlines()
    assert lines[-3] == "... and 10 more"
    # 70 trainings, and 6 in the end, of 2 epochs of 45.5 s, with 3 s or 5 s around each, and 20 s for the start
    assert lines[-1].startswith(
        "about 2 h with 1 worker on this machine (1 h 50 min the search, at most 10 min the final trainings); "
    )
    assert asked == [(71, 1, None)], "the default too; one worker has all cores"


def test_without_final_trainings_the_default_is_not_timed_and_workers_have_a_core_each(asked: list[Any]) -> None:
    told = shown("sweep.final_seeds=0", "sweep.max_trials=3", "workers.count=2", "compute=cpu")
    assert "no final trainings" in told.splitlines()[-1]
    ((runs, processes, threads),) = asked
    assert (runs, threads) == (3, 1)
    assert processes <= 2


def test_what_is_timed_is_said_on_a_terminal_and_nowhere_else(asked: list[Any]) -> None:
    assert "timing model3" in shown("sweep.max_trials=3", terminal=True)
    assert "timing" not in shown("sweep.max_trials=3")


def test_a_time_that_cannot_be_found_out_costs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Speeds:
        raise TimingError("compute.device=gpu: expected a GPU")

    monkeypatch.setattr(dryrun, "time_networks", refuse)
    monkeypatch.setattr(dryrun, "busy", lambda: "others use 99% of the processors")
    *_, cost, unknown, others = shown("sweep.max_trials=3").splitlines()
    assert cost.startswith("space=depth tuner=random: 3 trials")
    assert unknown == "how long it takes could not be found out here: compute.device=gpu: expected a GPU"
    assert others == "others use 99% of the processors"


@pytest.mark.parametrize("moment", [0.0, 2.0])
def test_ctrl_c_ends_it_and_the_processes_that_time(tmp_path: Path, moment: float) -> None:
    typed = ["space=depth", "tuner=hyperband", "compute=cpu", "workers.count=2", "sweep.dry_run=true"]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.sweep", *typed],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        children = started_by(process)
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (130, "stopped by Ctrl-C\n")
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert [*tmp_path.iterdir()] == []


def started_by(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All that runs below it, as soon as one of those that time does."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        children = psutil.Process(process.pid).children(recursive=True)
        if any("spawn_main" in " ".join(child.cmdline()) for child in children):
            return children
        time.sleep(0.01)
    raise AssertionError("nothing was timed")
