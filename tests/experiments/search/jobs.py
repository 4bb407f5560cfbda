"""Trials for tests of workers: what they do follows from their number."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil

from experiments.search.pruning import Bars
from experiments.search.records import Trial
from experiments.search.workers import Job, Outcome

FINE, DIES_ONCE, SLEEPS, FAILS, WAITS, TIMES_OUT = 1, 2, 3, 4, 5, 6


def job(number: int) -> Job:
    """A trial without a configuration."""
    return Job(Trial(number, {}, {}), Bars("val_accuracy"))


def run(job: Job, folder: Path) -> Outcome:
    """Tell which process it is; or die, hang, fail."""
    number = job.trial.number
    if number == DIES_ONCE and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if number == SLEEPS:
        (folder / "sleeps").write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(600)
    if number == WAITS:
        (folder / "waits").touch()
        while not (folder / "go on").exists():
            time.sleep(0.02)
    if number == TIMES_OUT:
        raise TimeoutError("the read operation timed out")
    if number == FAILS:
        raise ArithmeticError("the loss became NaN")
    return Outcome(0.5, facts={"process": os.getpid(), "parent": os.getppid()})


def in_folder(folder: Path) -> partial[Outcome]:
    """`run` as it is handed to workers."""
    return partial(run, folder=folder)


def is_gone(process: int) -> bool:
    """Whether a process has ended, waited for by its parent or not."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class FakeClient:
    """A cluster without processes: its workers are a dict that the test fills."""

    def __init__(self) -> None:
        self.workers: dict[str, dict[str, Any]] = {}
        self.cluster = None
        self.scheduler = SimpleNamespace(
            address="tcp://host:8786", identity=self.identity, restart_workers=self.restart_workers
        )
        self.restarted: list[str] = []

    def identity(self, n_workers: int) -> dict[str, Any]:
        assert n_workers == -1, "of all of them"
        return {"workers": dict(self.workers)}

    def sync(self, ask: Callable[..., Any], callback_timeout: float, **how: Any) -> Any:
        return ask(**how)

    def restart_workers(self, workers: list[str], **how: Any) -> None:
        self.restarted += workers
        for address in workers:
            self.workers[address]["status"] = "running"

    def submit(self, run: Callable[..., Any], job: Any, **where: Any) -> Any:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        future.set_result(run(job))
        return future


def wait_for(condition: Callable[[], object]) -> None:
    while not condition():  # the test's time limit ends it
        time.sleep(0.01)
