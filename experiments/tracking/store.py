"""Opens the place that runs are recorded in: MLflow's own SQLite file, or a server."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.tracking import database
from experiments.tracking.config import DEFAULT_URI, TrackingConfig, check_uri
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, import_mlflow, one_line_errors

SQLITE = "sqlite:///"
ARTIFACTS = "mlruns"
"""MLflow's own name for the folder of artifacts, beside the database."""


@dataclass(frozen=True)
class Store:
    """An open tracker: MLflow's client for it, its address, and the MLflow experiment that runs go to."""

    client: Any
    uri: str = field(repr=False)  # may hold a password
    experiment_id: str

    def __str__(self) -> str:
        return redact(self.uri)


def open_store(config: TrackingConfig) -> Store:
    """The store that `config` names, with its MLflow experiment, both made if they are not there yet.

    Any number of processes may call this at once, also on a folder without a database. Runs of a database in the
    working folder have relative artifact locations, so that the folder can be moved or copied as a whole.

    Raises:
        ConfigError: `$MLFLOW_TRACKING_URI` is an address that cannot be used.
        TrackingError: the database or server cannot be used; one line that names it and says what to do.
    """
    uri = config.uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    check_uri("tracking.uri" if config.uri else "MLFLOW_TRACKING_URI", uri)
    with one_line_errors(f"{redact(uri)}: cannot be opened"):
        if uri.startswith(SQLITE):
            return _open_database(Path(uri.removeprefix(SQLITE).partition("?")[0]).resolve(), config.experiment)
        return _open_server(uri, config.experiment)


def _open_database(path: Path, experiment: str) -> Store:
    if set("?%#") & set(str(path)):  # they would mean something in the database's address
        raise TrackingError(f"{path}: a folder or file with ?, % or # in its name cannot hold runs. Rename it")
    import_mlflow()
    import mlflow.store.tracking.sqlalchemy_store  # seconds: before the lock, not under it

    # absolute: MLflow locks by a hash of this address in the shared temp folder, where users could meet
    uri = SQLITE + str(path)
    with database.locked(path):
        created = not path.exists()
        database.prepare(path)
        client = mlflow.MlflowClient(uri, uri)
        if created and _is_here(path):
            database.set_artifact_location(path, "0", f"{ARTIFACTS}/0")
        found = _find_experiment(client, experiment)
        experiment_id = found.experiment_id if found else _create_experiment(client, path, experiment)
    if found and not _is_here(path) and not _is_absolute(found.artifact_location):
        raise TrackingError(
            f"{path}: keeps its artifacts in the {ARTIFACTS} folder beside it. Start from there: cd {path.parent}"
        )
    return Store(client, uri, experiment_id)


def _open_server(uri: str, experiment: str) -> Store:
    # MLflow's own defaults would hold a training up for minutes; they are read at each request
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    mlflow = import_mlflow()
    client = mlflow.MlflowClient(uri, uri)
    found = _find_experiment(client, experiment)
    if found is None:
        try:
            return Store(client, uri, client.create_experiment(experiment))
        except mlflow.exceptions.MlflowException:
            # another process was faster, or the server has a reason, which looking again will say
            found = _find_experiment(client, experiment)
            if found is None:
                raise
    if not _is_absolute(found.artifact_location) and not Path(DEFAULT_URI.removeprefix(SQLITE)).exists():
        raise TrackingError(
            f"{redact(uri)}: keeps the artifacts of tracking.experiment={experiment} relative to a folder that is not "
            "this one. Start from that folder, or choose another name"
        )
    return Store(client, uri, found.experiment_id)


def _find_experiment(client: Any, name: str) -> Any:
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"tracking.experiment={name}: this MLflow experiment was deleted. Choose another name, or restore it: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    return found


def _create_experiment(client: Any, path: Path, name: str) -> str:
    folder = f"{ARTIFACTS}/{folder_name(name)}"
    experiment_id: str = client.create_experiment(name, artifact_location=str(path.parent / folder))
    if _is_here(path):
        database.set_artifact_location(path, experiment_id, folder)
    return experiment_id


def folder_name(experiment: str) -> str:
    """A folder's name for an MLflow experiment, whose own name may be any text: `a/b` becomes `a-b-` and a hash."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", experiment).strip(".-")[:60]
    if safe == experiment:
        return safe
    return f"{safe or 'experiment'}-{hashlib.sha256(experiment.encode()).hexdigest()[:8]}"


def _is_here(path: Path) -> bool:
    return path.parent == Path.cwd().resolve()


def _is_absolute(location: str) -> bool:
    return location.startswith("/") or ":" in location
