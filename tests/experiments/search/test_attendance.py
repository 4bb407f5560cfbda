from __future__ import annotations

import logging
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.search import attendance, pool
from experiments.search.attendance import Attendance
from experiments.search.pool import DaskWorkers
from tests.experiments.search.jobs import FINE, FakeClient, in_folder, job, wait_for

SECONDS = 60


def test_a_cluster_without_workers_is_waited_for_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(attendance, "ALONE_SECONDS", 0.05)
    client: Any = FakeClient()
    with caplog.at_level(logging.WARNING, attendance.__name__):
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


def test_processes_of_this_machine_come_by_themselves_and_where_none_does_for_long_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(attendance, "ALONE_SECONDS", 0.01)
    monkeypatch.setattr(attendance, "COMING_SECONDS", 0.5)
    client: Any = FakeClient()
    client.cluster = SimpleNamespace(loop=SimpleNamespace(add_callback=lambda start: None))
    with caplog.at_level(logging.WARNING, attendance.__name__):
        workers = DaskWorkers(client, in_folder(tmp_path), 1, None)
        future = workers.submit(job(FINE))
        time.sleep(0.2)
        assert caplog.messages == []
        wait_for(lambda: caplog.messages)
        time.sleep(0.1)
        client.workers["tls://late:1"] = {"nthreads": 1, "status": "running"}
        assert future.result(SECONDS).score == 0.5
        workers.close()
    assert caplog.messages == [
        "0 of 1 worker processes are up, for 0.5 s now, though the others are started again and again: memory or "
        "processes may have run out (python -m experiments.doctor); try workers.count=1. Ctrl-C stops the sweep",
        "a worker has joined; the sweep goes on",
    ]


def test_none_is_said_to_have_joined_when_merely_nobody_waits_any_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(attendance, "COMING_SECONDS", 0.0)
    client: Any = FakeClient()
    client.cluster = SimpleNamespace(loop=SimpleNamespace(add_callback=lambda start: None))
    one, both = ({f"tls://{n}:1": {"nthreads": 1} for n in range(count)} for count in (1, 2))
    workers = Attendance(client, 2)
    with caplog.at_level(logging.WARNING, attendance.__name__):
        for present, is_awaited in ((one, True), (one, True), (one, False), (one, True), (one, True), (both, False)):
            assert workers.ready(present, is_awaited) == [*present]
            time.sleep(0.001)
    assert [message[:27] for message in caplog.messages] == [
        "1 of 2 worker processes are",
        "a worker has joined; the sw",
    ]
