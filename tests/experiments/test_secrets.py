"""A password in the address of the store, keys in the environment, through a whole multirun: written down nowhere."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cifar import figures
from tests.services.server import Server

KEYS = {"AWS_SECRET_ACCESS_KEY": "canary-aws-31f7", "MLFLOW_TRACKING_PASSWORD": "canary-mlflow-77e2"}
USERINFO = "canary-url-9c02"


def rows(server: Server) -> Iterator[str]:
    """Every row of every table of the server's store, as text."""
    if server.store.startswith("sqlite"):
        with closing(sqlite3.connect(server.folder / "mlflow.db")) as connection:
            yield from connection.iterdump()
        return
    import psycopg

    with psycopg.connect(server.store) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            yield from (row[0] for row in connection.execute(f'SELECT "{table}"::text FROM "{table}"'))  # type: ignore[call-overload]


def spellings(secret: str) -> set[bytes]:
    """As it is, and the part of its base64 that does not depend on what stands around it."""
    return {secret.encode(), *(base64.b64encode((" " * n + secret).encode())[4:-4] for n in range(3))}


def test_no_secret_is_in_files_logs_output_artifacts_or_the_database(
    team_server: Server,
    project: Path,
    exit_code: Callable[..., int],
    tiny: tuple[str, ...],
    tensorflow_on_cpu: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    address = f"http://{team_server.user}:{team_server.password}@127.0.0.1:{team_server.port}"
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    note = f"tracking.note='https://me:{USERINFO}@example.org/ {' '.join(KEYS.values())}'"
    drawn = figures.learning_curves

    def failing_once(*arguments: object) -> object:
        monkeypatch.setattr(figures, "learning_curves", drawn)
        raise RuntimeError(f"no answer from {address}, signed with {KEYS['AWS_SECRET_ACCESS_KEY']}")

    monkeypatch.setattr(figures, "learning_curves", failing_once)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", team_server.user)
    jobs = [*tiny, "compute=cpu", "training.epochs=1", "seed=1,2", f"tracking.uri={address}", note]
    assert exit_code("-m", *jobs) == 1
    assert exit_code("seed=-1", note) == 2

    printed = "".join(capfd.readouterr())
    assert "1 of 2 jobs finished" in printed
    assert "no answer from http://***@127.0.0.1" in printed
    database = "\n".join(rows(team_server))
    assert "no answer from http://***@127.0.0.1" in database
    files = [file for folder in (project, team_server.folder) for file in folder.rglob("*") if file.is_file()]
    assert {"multirun.yaml", "overrides.yaml", "console.log", "config.yaml", "users.db"} <= {
        file.name for file in files
    }
    for secret in (team_server.password, USERINFO, *KEYS.values()):
        for spelling in spellings(secret):
            assert [file for file in files if spelling in file.read_bytes()] == []
            assert spelling not in database.encode()
            assert spelling not in printed.encode()
