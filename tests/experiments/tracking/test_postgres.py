from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from experiments.tracking import postgres as lock
from experiments.tracking import store as tracking_store
from experiments.tracking.census import take
from experiments.tracking.config import TrackingConfig
from experiments.tracking.service import TrackingError, UnreachableError
from experiments.tracking.store import existing_store, open_store, open_to_read
from tests.services.postgres import Cluster
from tests.soak import starts


def test_eight_processes_start_at_once_on_an_empty_database(cluster: Cluster, tmp_path: Path) -> None:
    row = starts.measure("PostgreSQL", tmp_path, [(cluster.new_database(), "starts")])
    assert (row.tried, row.lost) == (8, 0)


def test_whoever_waits_too_long_is_told_and_the_lock_is_freed(cluster: Cluster) -> None:
    uri = cluster.new_database()
    told = pytest.raises(
        TrackingError, match=r"^postgresql://\*\*\*@127.*: another process has been opening it for 0.1 s"
    )
    with lock.locked(uri), told, lock.locked(uri, seconds=0.1):
        pass
    with lock.locked(uri, seconds=0.1):
        pass


def test_other_databases_of_a_server_are_not_locked(cluster: Cluster) -> None:
    with lock.locked(cluster.new_database()), lock.locked(cluster.new_database(), seconds=0.1):
        pass


def test_without_its_driver_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(TrackingError) as caught, lock.locked("postgresql+psycopg://me:canary@127.0.0.1/d"):
        pass
    assert str(caught.value) == "postgresql+psycopg://***@127.0.0.1/d: needs psycopg. Run: pip install -e '.[server]'"


@pytest.mark.parametrize("use", [open_store, open_to_read, existing_store, lambda config: take(config.uri)])
def test_a_server_that_is_down_is_one_line_without_the_password_within_seconds(
    use: Callable[[TrackingConfig], object], project: Path
) -> None:
    pytest.importorskip("psycopg")
    tracking_store._import_databases()
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"^postgresql://\*\*\*@127.0.0.1:1/d: cannot be reached: ") as caught:
        use(TrackingConfig(uri="postgresql://me:canary@127.0.0.1:1/d"))
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 15


def test_one_that_takes_the_connection_and_says_nothing_is_waited_for_for_seconds_only(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr(lock, "CONNECT_SECONDS", 2)
    tracking_store._import_databases()
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        uri = f"postgresql://me:canary@127.0.0.1:{frozen.getsockname()[1]}/d"
        with pytest.raises(UnreachableError, match="cannot be reached: connection timeout expired"):
            open_to_read(TrackingConfig(uri=uri))
    assert time.monotonic() - began < 15


def lets_in_and_says_nothing(server: socket.socket) -> None:
    """What a PostgreSQL does that freezes as soon as it has let its client in."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!I", len(body) + 4) + body

    while True:
        client = server.accept()[0]
        while struct.unpack("!I", client.recv(8)[4:])[0] in (80877103, 80877104):  # may it be encrypted? No
            client.sendall(b"N")
        client.recv(1000)
        client.sendall(message(b"R", struct.pack("!I", 0)) + message(b"Z", b"I"))


@pytest.mark.parametrize("use", [open_store, open_to_read])
def test_nor_is_one_that_freezes_after_the_login(
    use: Callable[[TrackingConfig], object], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    tracking_store._import_databases()
    monkeypatch.setattr(lock, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        Thread(target=lets_in_and_says_nothing, args=(frozen,), daemon=True).start()
        config = TrackingConfig(uri=f"postgresql://me:canary@127.0.0.1:{frozen.getsockname()[1]}/d")
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="cannot be reached: no answer in time"):
            use(config)
    assert 4 <= time.monotonic() - began < 30


def test_a_wrong_password_is_for_the_user_to_mend(cluster: Cluster, project: Path) -> None:
    uri = cluster.admin.replace(urlsplit(cluster.admin).password or "", "canary")
    with pytest.raises(TrackingError, match="password authentication failed") as caught:
        open_store(TrackingConfig(uri=uri))
    assert not isinstance(caught.value, UnreachableError)
