"""The SQLite file that MLflow keeps its records in: made, checked and changed by one process at a time."""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from experiments.tracking.service import TrackingError, UnreachableError, import_mlflow

LOCK_SECONDS = 60.0

BUSY_SECONDS = 10.0
"""How long somebody else's write is waited for."""

_NETWORK_FILESYSTEMS = ("nfs", "cifs", "smb", "afs", "lustre", "gpfs", "beegfs", "ceph", "fuse", "9p")


class HeldError(UnreachableError):
    """Another process makes or opens the database, for long now."""


def shown(path: Path) -> str:
    """The path as a user would type it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


@contextmanager
def locked(path: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Holds `<path>.lock`: whoever creates the database, or adds an experiment to it, does it alone.

    The operating system frees the lock when its holder ends, however it ends.

    Raises:
        HeldError: another process held the lock for `seconds`.
        TrackingError: the folder cannot be written to.
    """
    lock = FileLock(f"{path}.lock", timeout=seconds, mode=0o600)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        reason = f"another process has held it for {seconds:g} s; see who with: fuser {shlex.quote(shown(path))}.lock"
        raise HeldError(f"{shown(path)}.lock", reason) from None
    except OSError as error:
        raise TrackingError(f"{shown(path)}: cannot be created or locked ({error.strerror or error})") from None
    try:
        yield
    finally:
        lock.release()


def prepare(path: Path) -> None:
    """Makes the database if there is none; else makes sure that this MLflow can use it. Call it under `locked`.

    MLflow itself would migrate a database of an older version as soon as it opens it. Here nothing is changed.

    Raises:
        TrackingError: the file is no database of this MLflow's, is half migrated, or cannot be written to.
    """
    if path.exists() and path.stat().st_size > 0:
        _check(path)
    else:
        _create(path)
    _use_write_ahead_log(path)


def set_artifact_location(path: Path, experiment_id: str, location: str) -> None:
    """Where an experiment's new runs keep artifacts. MLflow's own call makes a relative location absolute."""
    with closing(sqlite3.connect(path, timeout=20)) as database, database:
        database.execute(
            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (location, int(experiment_id))
        )


def _create(path: Path) -> None:
    """Migrates an empty file aside and renames it: a process that is killed meanwhile leaves no half database."""
    import_mlflow()
    import sqlalchemy
    from mlflow.store.db import utils

    aside = path.with_name(path.name + ".new")
    for leftover in aside.parent.glob(aside.name + "*"):
        leftover.unlink()
    os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    engine = utils.create_sqlalchemy_engine(f"sqlite:///{aside}")
    sqlalchemy.event.listen(engine, "connect", _do_not_wait_for_the_disk)
    try:
        utils._initialize_tables(engine)
    finally:
        engine.dispose()
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)


def _do_not_wait_for_the_disk(connection: sqlite3.Connection, record: object) -> None:
    # hundreds of commits to a file that is thrown away if anything goes wrong
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


def _check(path: Path) -> None:
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
        raise TrackingError(
            f"{shown(path)}: cannot be written to. Allow it (chmod u+w {shlex.quote(shown(path))}), "
            "or record elsewhere (tracking.uri=sqlite:///other.db)"
        )
    try:
        tables, version = _tables_and_version(path)
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise
        raise TrackingError(f"{shown(path)}: cannot be read as a database ({error}). {_put_away(path)}") from None
    leftovers = sorted(table for table in tables if table.startswith("_alembic_tmp_"))
    if leftovers:
        raise TrackingError(
            f"{shown(path)}: its migration was cut off half-way ({leftovers[0]} is left over). {_put_away(path)}"
        )
    if "experiments" not in tables:
        raise TrackingError(f"{shown(path)}: is not a database of MLflow's. {_put_away(path)}")
    _check_version(path, version)


def _tables_and_version(path: Path) -> tuple[set[str], str | None]:
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" not in tables:
            return tables, None
        row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    return tables, row[0] if row else None


def _check_version(path: Path, version: str | None) -> None:
    from alembic.util import CommandError

    migrations = _migrations()
    head = migrations.get_current_head()
    if version == head:
        return
    try:
        known = version is None or migrations.get_revision(version) is not None
    except CommandError:
        known = False
    if not known:
        raise TrackingError(
            f"{shown(path)}: was written by a newer MLflow (its schema {version} is unknown to MLflow "
            f"{import_mlflow().__version__}). Use that MLflow, or record elsewhere (tracking.uri=sqlite:///other.db)"
        )
    raise TrackingError(
        f"{shown(path)}: was written by an older MLflow (schema {version}, this MLflow needs {head}). "
        f"Copy the file, then run: mlflow db upgrade {shlex.quote('sqlite:///' + shown(path))}"
    )


def _migrations() -> Any:
    from alembic.script import ScriptDirectory

    package = Path(import_mlflow().__file__ or "").parent
    return ScriptDirectory(str(package / "store" / "db_migrations"))


def _put_away(path: Path) -> str:
    name = shlex.quote(shown(path))
    return f"Restore a copy of it, or put it away and start anew: mv {name} {name}.broken"


def _use_write_ahead_log(path: Path) -> None:
    """Twice the speed of many small writes, and readers do not wait; a network filesystem would corrupt it."""
    if on_network(path):
        return
    with closing(sqlite3.connect(path, timeout=1)) as database:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            return  # someone is writing at this moment: it is only slower


def on_network(path: Path) -> bool:
    """Whether the path lies on a filesystem of another machine."""
    folder = path.absolute().parent
    mounts = [part for part in psutil.disk_partitions(all=True) if folder.is_relative_to(part.mountpoint)]
    kind = max(mounts, key=lambda part: len(part.mountpoint)).fstype.lower() if mounts else ""
    return kind.startswith(_NETWORK_FILESYSTEMS)
