"""Ctrl-C and SIGTERM, as a terminal and a scheduler send them, to commands as a user starts them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parents[2]
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "compute.threads=1")
READY_SECONDS = 200.0  # TensorFlow's import, several at once, on a busy machine


@dataclass(frozen=True)
class Case:
    """What is started, what is sent to it (to all processes of its group, as Ctrl-C is), and what should come of it."""

    arguments: tuple[str, ...]
    signal: signal.Signals
    whole_group: bool
    exit_code: int
    children: int


CASES = {
    "one run, SIGTERM": Case((), signal.SIGTERM, False, 143, 0),
    "a multirun, Ctrl-C": Case(("-m", "seed=1,2"), signal.SIGINT, True, 130, 1),
    "a parallel multirun, SIGTERM": Case(("-m", "seed=1,2", *JOBLIB), signal.SIGTERM, False, 143, 2),
}


@dataclass(frozen=True)
class Stopped:
    """A command that was stopped."""

    exit_code: int
    seconds: float
    statuses: list[str]
    output: str
    survivors: list[psutil.Process]


class Command:
    """A training without end, in a folder of its own."""

    def __init__(self, case: Case, folder: Path, tiny: tuple[str, ...]) -> None:
        flags, overrides = case.arguments[:1], case.arguments[1:]
        self.case, self.folder = case, folder
        self.log = (folder / "output.txt").open("w")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "experiments.run",
                *flags,
                *tiny,
                "compute=cpu",
                "training.epochs=100000",
                *overrides,
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def trains(self) -> bool:
        """Whether every job that should train at this moment has done an epoch; an early end is an error."""
        assert self.process.poll() is None, self.output
        return self.output.count("epoch      1/100000") == max(1, self.case.children)

    def stop(self) -> Stopped:
        began = time.monotonic()
        send = os.killpg if self.case.whole_group else os.kill
        send(self.process.pid, self.case.signal)
        exit_code = self.process.wait(60)
        seconds = time.monotonic() - began
        self.log.close()
        client = MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")
        statuses = [run.info.status for run in client.search_runs(["1"])]
        return Stopped(exit_code, seconds, statuses, self.output, survivors(self.process.pid))


def in_session(process: psutil.Process, session: int) -> bool:
    """Whether a process was started by the command of this id and still runs."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == session
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False


def survivors(session: int) -> list[psutil.Process]:
    """What is left of a command; a killed process may take a moment to go."""
    deadline = time.monotonic() + 5
    while left := [process for process in psutil.process_iter() if in_session(process, session)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return left


@contextmanager
def quiet(commands: Iterable[Command]) -> Iterator[None]:
    """Freezes other commands, so that they do not slow down what is measured."""
    running = [command.process.pid for command in commands if command.process.poll() is None]
    for group in running:
        os.killpg(group, signal.SIGSTOP)
    yield
    for group in running:
        os.killpg(group, signal.SIGCONT)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, made_database: Path, tiny: tuple[str, ...]) -> dict[str, Stopped]:
    """All cases, started together, each stopped as soon as it trains."""
    commands = {}
    for name, case in CASES.items():
        folder = tmp_path_factory.mktemp("stopped")
        shutil.copy(made_database, folder)
        commands[name] = Command(case, folder, tiny)
    done: dict[str, Stopped] = {}
    try:
        deadline = time.monotonic() + READY_SECONDS
        while len(done) < len(commands):
            for name in commands.keys() - done.keys():
                if commands[name].trains():
                    with quiet(command for other, command in commands.items() if other != name):
                        done[name] = commands[name].stop()
            late = {name: commands[name].output for name in commands.keys() - done.keys()}
            assert time.monotonic() < deadline, f"did not come to train: {late}"
            time.sleep(0.1)
    finally:
        for command in commands.values():
            command.log.close()
            if command.process.poll() is None:
                os.killpg(command.process.pid, signal.SIGKILL)
                command.process.wait()
    return done


@pytest.mark.parametrize("name", CASES)
def test_a_stop_closes_every_run_as_killed_within_ten_seconds(stopped: dict[str, Stopped], name: str) -> None:
    case, end = CASES[name], stopped[name]
    assert end.exit_code == case.exit_code
    assert end.seconds < 10
    assert end.statuses == ["KILLED"] * (1 + case.children)
    assert "Traceback" not in end.output
    lines = end.output.splitlines()
    if not case.children:
        assert lines.pop().startswith("to go on: python -m experiments.run resume=outputs/")
    assert "stopped" in lines[-1]
    assert end.survivors == []
