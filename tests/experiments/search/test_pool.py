"""Real Dask workers, with trials that take no time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from experiments.search import attendance, pool
from experiments.search.cluster import open_workers
from experiments.search.config import WorkersConfig
from experiments.search.pool import DaskWorkers, _Task
from experiments.search.records import SweepError
from experiments.search.workers import WorkerLostError
from tests.experiments.search.jobs import (
    DIES_ONCE,
    FAILS,
    FINE,
    SLEEPS,
    TIMES_OUT,
    WAITS,
    FakeClient,
    in_folder,
    job,
    wait_for,
)

PROJECT = Path(__file__).parents[3]
SECONDS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def workers(folder: Path) -> Iterator[DaskWorkers]:
    config = WorkersConfig(count=2, trial_timeout_minutes=3 / 60)
    with open_workers(config, in_folder(folder), folder, "cpu") as workers:
        yield workers


def test_trials_run_side_by_side_in_processes_of_their_own(workers: DaskWorkers) -> None:
    assert workers.capacity == 2
    futures = [workers.submit(job(FINE)) for _ in range(2)]
    told = [future.result(SECONDS).facts for future in futures]
    assert len({facts["process"] for facts in told} | {os.getpid()}) == 3
    assert {facts["parent"] for facts in told} == {os.getpid()}


def test_what_a_trial_failed_of_is_told(workers: DaskWorkers) -> None:
    with pytest.raises(ArithmeticError, match="the loss became NaN"):
        workers.submit(job(FAILS)).result(SECONDS)
    with pytest.raises(TimeoutError, match="the read operation timed out"):
        workers.submit(job(TIMES_OUT)).result(SECONDS)


def test_a_worker_that_is_killed_loses_its_trial_once_and_is_replaced(workers: DaskWorkers) -> None:
    with pytest.raises(WorkerLostError, match=r"its worker \S+ died"):
        workers.submit(job(DIES_ONCE)).result(SECONDS)
    assert workers.submit(job(DIES_ONCE)).result(SECONDS).score == 0.5
    processes: set[int] = set()
    while len(processes) < 2:  # the test's time limit ends it
        futures = [workers.submit(job(FINE)) for _ in range(2)]
        processes |= {future.result(SECONDS).facts["process"] for future in futures}


def test_a_connection_that_is_lost_loses_no_trial(tmp_path: Path) -> None:
    """As on a machine that slept: the workers live, and the scheduler has forgotten what was asked of it."""
    with open_workers(WorkersConfig(count=1), in_folder(tmp_path), tmp_path, "cpu") as workers:
        future = workers.submit(job(WAITS))
        while not (tmp_path / "waits").exists():
            time.sleep(0.02)
        remote = workers._running[0].remote
        client = workers._client
        client.loop.add_callback(client.scheduler_comm.comm.abort)
        while not remote.cancelled():
            time.sleep(0.02)
        (tmp_path / "go on").touch()
        assert future.result(SECONDS).score == 0.5
        assert workers.submit(job(FINE)).result(SECONDS).score == 0.5


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler with a worker, each a process of its own; its address is in `scheduler.json`."""
    quiet = ["--host", "127.0.0.1", "--no-dashboard"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with ExitStack() as stack:

        def start(*typed: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "dask", *typed, "--scheduler-file", "scheduler.json", *quiet]
            process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.send_signal, signal.SIGCONT)
            stack.callback(process.terminate)
            return process

        scheduler = start("scheduler", "--port", "0")
        start("worker", "--nthreads", "1", "--local-directory", "scratch")
        yield scheduler


def test_a_scheduler_that_answers_no_more_holds_up_neither_the_sweep_nor_its_end(
    tmp_path: Path, scheduler: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, name in ((pool, "PATIENCE_SECONDS"), (pool, "RESTART_SECONDS"), (attendance, "ANSWER_SECONDS")):
        monkeypatch.setattr(place, name, 1.0)
    file = tmp_path / "scheduler.json"
    wait_for(lambda: file.is_file() and file.read_text().endswith("}"))
    config = WorkersConfig(address=json.loads(file.read_text())["address"])
    with open_workers(config, in_folder(tmp_path), tmp_path) as workers:
        future = workers.submit(job(WAITS))
        wait_for((tmp_path / "waits").exists)
        scheduler.send_signal(signal.SIGSTOP)
        with pytest.raises(SweepError, match="the workers are gone"):
            future.result(SECONDS)
        workers._running.append(_Task(job(WAITS), Future(), worker="tcp://127.0.0.1:1"))
        began = time.monotonic()
    assert time.monotonic() - began < 20
    (tmp_path / "go on").touch()


def test_workers_live_whatever_dask_remembers_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client's own picture of a cluster has no workers in it for a moment, every two seconds."""
    with open_workers(WorkersConfig(count=1), in_folder(tmp_path), tmp_path, "cpu") as workers:
        monkeypatch.setattr(workers._client, "scheduler_info", lambda **_: {"workers": {}})
        future = workers.submit(job(WAITS))
        while not (tmp_path / "waits").exists():
            time.sleep(0.02)
        time.sleep(1.5 * pool.LOOK_SECONDS)
        (tmp_path / "go on").touch()
        assert future.result(SECONDS).score == 0.5


def test_a_trial_that_takes_too_long_is_ended_with_its_worker(workers: DaskWorkers, folder: Path) -> None:
    with pytest.raises(WorkerLostError, match=r"after workers\.trial_timeout_minutes=0\.05"):
        workers.submit(job(SLEEPS)).result(SECONDS)
    assert not psutil.pid_exists(int((folder / "sleeps").read_text()))
    assert workers.submit(job(FINE)).result(SECONDS).score == 0.5


def test_a_worker_that_dask_paused_is_restarted_before_it_gets_a_trial(tmp_path: Path) -> None:
    client: Any = FakeClient()
    client.workers["tcp://full:1"] = {"nthreads": 1, "status": "paused", "nanny": "tcp://full:2"}
    workers = DaskWorkers(client, in_folder(tmp_path), None, None)
    assert workers.submit(job(FINE)).result(SECONDS).score == 0.5
    workers.close()
    assert client.restarted == ["tcp://full:1"]


def test_a_trial_that_no_worker_has_begun_can_be_taken_back(tmp_path: Path) -> None:
    client: Any = FakeClient()
    workers = DaskWorkers(client, in_folder(tmp_path), None, None)
    unwanted, wanted = workers.submit(job(FAILS)), workers.submit(job(FINE))
    assert unwanted.cancel()
    client.workers["tcp://late:1"] = {"nthreads": 1, "status": "running"}
    assert wanted.result(SECONDS).score == 0.5
    assert not wanted.cancel()
    workers.close()


class Gone:
    """A trial that is done, whose scheduler went before it handed over what came out of it."""

    status = "finished"

    def done(self) -> bool:
        return True

    def cancelled(self) -> bool:
        return False

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        call(self)

    def result(self, timeout: float) -> None:
        raise OSError("Stream is closed")


def test_a_result_that_is_lost_on_its_way_is_no_failure_of_the_trial(tmp_path: Path) -> None:
    client: Any = FakeClient()
    client.submit = lambda *asked, **where: Gone()
    client.workers["tcp://fine:1"] = {"nthreads": 1, "status": "running"}
    workers = DaskWorkers(client, in_folder(tmp_path), None, None)
    with pytest.raises(WorkerLostError):
        workers.submit(job(FINE)).result(SECONDS)
    workers.close()
