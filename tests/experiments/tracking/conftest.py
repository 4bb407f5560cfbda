"""A fresh tracking database costs seconds of migrations: it is made once, and every test gets a copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from experiments.tracking.config import TrackingConfig
from experiments.tracking.store import Store, open_store


@pytest.fixture(scope="session")
def made_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    before = Path.cwd()
    os.chdir(folder)
    try:
        open_store(TrackingConfig())
    finally:
        os.chdir(before)
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it in the one file that is copied
    return folder / "mlflow.db"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with none of the user's tracking settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def database(project: Path, made_database: Path) -> Path:
    """The path of a database in the working folder."""
    return Path(shutil.copy(made_database, project / "mlflow.db"))


@pytest.fixture
def store(database: Path) -> Store:
    return open_store(TrackingConfig())
