"""Real Dask workers, with trials that take no time."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from cifar.config import ConfigError
from experiments.search import pool
from experiments.search.config import WorkersConfig
from experiments.search.pool import DaskWorkers, count_workers, gpus, open_workers
from experiments.search.workers import WorkerLostError
from tests.experiments.search.jobs import DIES_ONCE, FAILS, FINE, SLEEPS, WAITS, in_folder, job

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


def test_they_listen_on_this_machine_only(workers: DaskWorkers) -> None:
    this = psutil.Process()
    family = [this, *this.children(recursive=True)]
    addresses = [
        connection.laddr.ip
        for process in family
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert addresses
    assert set(addresses) == {"127.0.0.1"}


def test_what_a_trial_failed_of_is_told(workers: DaskWorkers) -> None:
    with pytest.raises(ArithmeticError, match="the loss became NaN"):
        workers.submit(job(FAILS)).result(SECONDS)


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


def test_workers_in_the_middle_of_a_trial_end_with_the_sweep_and_leave_nothing(tmp_path: Path) -> None:
    with open_workers(WorkersConfig(count=1), in_folder(tmp_path), tmp_path, "cpu") as workers:
        workers.submit(job(SLEEPS))
        while not (tmp_path / "sleeps").exists() or not (tmp_path / "sleeps").read_text():
            time.sleep(0.02)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    process = int((tmp_path / "sleeps").read_text())
    assert not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    assert [path.name for path in tmp_path.iterdir()] == ["sleeps"]


def test_an_address_where_nothing_answers_is_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 0.5)
    config = WorkersConfig(address="tcp://127.0.0.1:9")
    expected = r"workers\.address=tcp://127\.0\.0\.1:9: expected a Dask scheduler"
    with pytest.raises(ConfigError, match=expected), open_workers(config, in_folder(tmp_path), tmp_path):
        pass


def test_tls_without_certificates_is_the_users_to_mend(tmp_path: Path) -> None:
    config = WorkersConfig(address="tls://127.0.0.1:9")
    expected = r"workers\.address=tls://127\.0\.0\.1:9: expected certificates named in Dask's configuration"
    with pytest.raises(ConfigError, match=expected), open_workers(config, in_folder(tmp_path), tmp_path):
        pass


class FakeClient:
    """A cluster without processes: its workers are a dict that the test fills."""

    def __init__(self) -> None:
        self.workers: dict[str, dict[str, Any]] = {}
        self.cluster, self.scheduler = None, SimpleNamespace(address="tcp://host:8786", identity=self.identity)
        self.restarted: list[str] = []

    def identity(self, n_workers: int) -> dict[str, Any]:
        assert n_workers == -1, "of all of them"
        return {"workers": dict(self.workers)}

    def sync(self, ask: Callable[..., Any], **how: Any) -> Any:
        return ask(**how)

    def restart_workers(self, addresses: list[str], **how: Any) -> None:
        self.restarted += addresses
        for address in addresses:
            self.workers[address]["status"] = "running"

    def submit(self, run: Callable[..., Any], job: Any, **where: Any) -> Any:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        future.set_result(run(job))
        return future


def wait_for(condition: Callable[[], object]) -> None:
    while not condition():  # the test's time limit ends it
        time.sleep(0.01)


def test_a_cluster_without_workers_is_waited_for_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(pool, "ALONE_SECONDS", 0.05)
    client: Any = FakeClient()
    with caplog.at_level(logging.WARNING, pool.__name__):
        workers = DaskWorkers(client, in_folder(tmp_path), None, None)
        future = workers.submit(job(FINE))
        wait_for(lambda: caplog.messages)
        time.sleep(0.1)
        client.workers["tcp://late:1"] = {"nthreads": 1, "status": "running"}
        assert future.result(SECONDS).score == 0.5
        assert workers.capacity == 1
        workers.close()
    assert caplog.messages == [
        "tcp://host:8786 has no worker; waiting for one to join (dask worker ... --nthreads 1). Ctrl-C stops the sweep",
        "a worker has joined; the sweep goes on",
    ]


def test_a_worker_that_dask_paused_is_restarted_before_it_gets_a_trial(tmp_path: Path) -> None:
    client: Any = FakeClient()
    client.workers["tcp://full:1"] = {"nthreads": 1, "status": "paused"}
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


def test_there_is_a_worker_for_each_gpu_or_else_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert gpus("auto") == ["0", "2"]
    assert count_workers(WorkersConfig(), "auto") == 2
    assert gpus("cpu") == []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2}, raising=False)
    assert count_workers(WorkersConfig(), "cpu") == 3
    monkeypatch.setattr(pool, "WORKER_BYTES", psutil.virtual_memory().total / 1.5)
    assert count_workers(WorkersConfig(), "cpu") == 1
    assert count_workers(WorkersConfig(count=5), "cpu") == 5
