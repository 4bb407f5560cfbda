"""Real Dask clusters, with trials that take no time."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import psutil
import pytest

from cifar.fields import ConfigError
from experiments.search import cluster
from experiments.search.cluster import ensure_answers, open_workers
from experiments.search.config import WorkersConfig
from tests.experiments.search.jobs import SLEEPS, in_folder, job


def listening() -> set[str]:
    """On which addresses this process and its children listen."""
    this = psutil.Process()
    return {
        connection.laddr.ip
        for process in (this, *this.children(recursive=True))
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def test_workers_listen_here_only_and_end_with_the_sweep_and_leave_nothing(
    tmp_path: Path,
) -> None:
    with open_workers(WorkersConfig(count=1), in_folder(tmp_path), tmp_path, "cpu") as workers:
        workers.submit(job(SLEEPS))
        while not (tmp_path / "sleeps").exists() or not (tmp_path / "sleeps").read_text():
            time.sleep(0.02)
        assert listening() == {"127.0.0.1"}
        began = time.monotonic()
    assert time.monotonic() - began < 10
    process = int((tmp_path / "sleeps").read_text())
    assert not psutil.pid_exists(process) or psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    assert [path.name for path in tmp_path.iterdir()] == ["sleeps"]


def test_an_address_where_nothing_answers_is_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    config = WorkersConfig(address="tcp://127.0.0.1:9")
    expected = r"workers\.address=tcp://127\.0\.0\.1:9: expected a Dask scheduler"
    with pytest.raises(ConfigError, match=expected), open_workers(config, in_folder(tmp_path), tmp_path):
        pass
    with pytest.raises(ConfigError, match=expected):
        ensure_answers(config)


def test_a_scheduler_that_takes_the_connection_and_says_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "CLOSE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        config = WorkersConfig(address=f"tcp://127.0.0.1:{frozen.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(ConfigError, match="expected a Dask scheduler that answers"):
            ensure_answers(config)
        assert time.monotonic() - began < 5


def test_tls_without_certificates_is_the_users_to_mend(tmp_path: Path) -> None:
    config = WorkersConfig(address="tls://127.0.0.1:9")
    expected = r"workers\.address=tls://127\.0\.0\.1:9: expected certificates named in Dask's configuration"
    with pytest.raises(ConfigError, match=expected), open_workers(config, in_folder(tmp_path), tmp_path):
        pass
