from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from experiments.tracking import postgres as lock
from experiments.tracking.config import TrackingConfig
from experiments.tracking.service import TrackingError, UnreachableError
from experiments.tracking.store import open_store
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


def test_a_server_that_is_down_is_one_line_without_the_password(project: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(UnreachableError, match=r"^postgresql://\*\*\*@127.0.0.1:1/d: cannot be reached: ") as caught:
        open_store(TrackingConfig(uri="postgresql://me:canary@127.0.0.1:1/d"))
    assert "canary" not in str(caught.value)


def test_a_wrong_password_is_for_the_user_to_mend(cluster: Cluster, project: Path) -> None:
    uri = cluster.admin.replace(urlsplit(cluster.admin).password or "", "canary")
    with pytest.raises(TrackingError, match="password authentication failed") as caught:
        open_store(TrackingConfig(uri=uri))
    assert not isinstance(caught.value, UnreachableError)
