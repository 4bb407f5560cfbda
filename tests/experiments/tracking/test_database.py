from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from experiments.tracking import database as db
from experiments.tracking.service import TrackingError


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def ask(path: Path, question: str) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute(question).fetchone()[0])


def refusal(path: Path) -> str:
    """The message of a refusal, which must not have changed the file."""
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(TrackingError) as caught:
        db.prepare(path)
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_new_database_is_private_and_writes_ahead(made_database: Path) -> None:
    assert stat.S_IMODE(made_database.stat().st_mode) == 0o600
    assert ask(made_database, "PRAGMA journal_mode") == "wal"
    assert ask(made_database, "SELECT version_num FROM alembic_version") == db._migrations().get_current_head()
    assert not list(made_database.parent.glob("mlflow.db.new*"))


def test_what_a_killed_creation_left_over_is_swept_away(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mlflow.db.new", "mlflow.db.new-journal"):
        (project / name).write_text("half")

    def migrated(engine: object) -> None:
        change(project / "mlflow.db.new", "CREATE TABLE experiments (name)")

    from mlflow.store.db import utils

    monkeypatch.setattr(utils, "_initialize_tables", migrated)
    db.prepare(project / "mlflow.db")
    assert [path.name for path in project.iterdir()] == ["mlflow.db"]


def test_a_creation_that_fails_leaves_no_database(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.store.db import utils

    def killed(engine: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(utils, "_initialize_tables", killed)
    with pytest.raises(KeyboardInterrupt):
        db.prepare(project / "mlflow.db")
    assert not (project / "mlflow.db").exists()


def test_a_database_that_mlflow_made_gets_a_write_ahead_log(database: Path) -> None:
    change(database, "PRAGMA journal_mode = DELETE")
    db.prepare(database)
    assert ask(database, "PRAGMA journal_mode") == "wal"


def test_a_network_filesystem_gets_no_write_ahead_log(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [("/", "ext4"), (str(database.parent.parent), "nfs4"), (str(database.parent) + "-other", "ext4")]
    parts = [SimpleNamespace(mountpoint=folder, fstype=kind) for folder, kind in mounts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: parts)
    change(database, "PRAGMA journal_mode = DELETE")
    db.prepare(database)
    assert db.on_network(database)
    assert ask(database, "PRAGMA journal_mode") == "delete"


def test_a_migration_that_was_cut_off_is_refused(database: Path) -> None:
    change(database, "CREATE TABLE _alembic_tmp_runs (name)")
    assert refusal(database) == (
        "mlflow.db: its migration was cut off half-way (_alembic_tmp_runs is left over). "
        "Restore a copy of it, or put it away and start anew: mv mlflow.db mlflow.db.broken"
    )


def test_a_database_of_an_older_mlflow_is_not_migrated_unasked(database: Path) -> None:
    older = db._migrations().get_revision(db._migrations().get_current_head()).down_revision
    change(database, f"UPDATE alembic_version SET version_num = '{older}'", "DROP TABLE review_queues")
    message = refusal(database)
    assert message.startswith(f"mlflow.db: was written by an older MLflow (schema {older}, this MLflow needs ")
    assert message.endswith("Copy the file, then run: mlflow db upgrade sqlite:///mlflow.db")


def test_a_database_of_a_newer_mlflow_is_refused(database: Path) -> None:
    change(database, "UPDATE alembic_version SET version_num = 'fedcba987654'")
    assert re.match(
        r"mlflow\.db: was written by a newer MLflow \(its schema fedcba987654 is unknown", refusal(database)
    )


def test_a_file_that_is_no_database_is_refused(project: Path) -> None:
    (project / "notes.db").write_text("my notes, " * 100)
    assert refusal(project / "notes.db").startswith("notes.db: cannot be read as a database")


def test_somebody_elses_database_is_refused(project: Path) -> None:
    change(project / "music.db", "CREATE TABLE songs (name)")
    assert refusal(project / "music.db").startswith("music.db: is not a database of MLflow's.")


def test_a_database_that_cannot_be_written_to_is_refused(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not (mode & os.W_OK))  # root may write anything
    assert refusal(database).startswith("mlflow.db: cannot be written to. Allow it (chmod u+w mlflow.db)")


def test_a_path_with_spaces_is_quoted_in_the_command(project: Path) -> None:
    (project / "my runs.db").write_text("text " * 100)
    assert refusal(project / "my runs.db").endswith("mv 'my runs.db' 'my runs.db'.broken")


def test_whoever_waits_too_long_for_the_lock_is_told_about_it(project: Path) -> None:
    path = project / "mlflow.db"
    told = pytest.raises(TrackingError, match=r"mlflow\.db\.lock: another process has held it")
    with db.locked(path), told, db.locked(path, seconds=0.05):
        pass
    with db.locked(path, seconds=0.05):
        assert stat.S_IMODE((project / "mlflow.db.lock").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_named(project: Path) -> None:
    (project / "file").write_text("")
    with (
        pytest.raises(TrackingError, match=r"file/runs/mlflow\.db: cannot be created"),
        db.locked(project / "file" / "runs" / "mlflow.db"),
    ):
        pass
