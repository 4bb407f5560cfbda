"""Opens the place that runs are recorded in: MLflow's own SQLite file, or a server."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cifar.imports import first_import
from experiments.tracking import database, postgres
from experiments.tracking.config import DEFAULT_URI, TrackingConfig, check_uri
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, UnreachableError, import_mlflow, one_line_errors

SQLITE = "sqlite:///"
ARTIFACTS = "mlruns"
"""MLflow's own name for the folder of artifacts, beside the database."""

SERVED = "mlflow-artifacts:/"
"""As an experiment's place of artifacts: its clients send them to the server, which keeps them where it likes."""


@dataclass(frozen=True)
class Store:
    """An open tracker: MLflow's client for it, its address, and the MLflow experiment that runs go to."""

    client: Any
    uri: str = field(repr=False)  # may hold a password
    experiment_id: str

    def __str__(self) -> str:
        return redact(self.uri)


READING_SECONDS = 30
"""How long a command that reads waits for a server's answer; a page of a thousand runs takes it a few seconds."""


def open_store(config: TrackingConfig) -> Store:
    """The store that `config` names, with its MLflow experiment, both made if they are not there yet.

    Any number of processes may call this at once, also on a folder without a database. Runs of a database in the
    working folder have relative artifact locations, so that the folder can be moved or copied as a whole.

    Raises:
        ConfigError: `$MLFLOW_TRACKING_URI` is an address that cannot be used.
        UnreachableError: the server does not answer, or the database is locked; another time it may work.
        TrackingError: the database or server cannot be used; one line that names it and says what to do.
    """
    uri = address(config)
    if not is_local(uri):
        with one_line_errors(f"{redact(uri)}: cannot be reached"):
            return _open_postgres(uri, config.experiment) if is_postgres(uri) else _open_server(uri, config.experiment)
    try:
        with one_line_errors(f"{redact(uri)}: cannot be opened"):
            return _open_database(database_path(uri), config.experiment)
    except UnreachableError as error:
        if isinstance(error, database.HeldError) or "locked" in error.reason:
            raise
        raise TrackingError(str(error)) from None  # a disk or a folder that does not take it: the user's to mend


def open_to_serve(uri: str, experiment: str) -> str:
    """Makes a database ready for a server with clients on other machines; returns the MLflow experiment's id.

    The tables and the experiment are made if they are not there yet.

    Raises:
        TrackingError: the database cannot be used.
    """
    import_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    lock = database.locked(database_path(uri)) if is_local(uri) else postgres.locked(uri)
    with one_line_errors(f"{redact(uri)}: cannot be opened"), lock:
        if is_local(uri):
            database.prepare(database_path(uri))
        store = SqlAlchemyStore(uri, SERVED)
        found = _find_experiment(store, experiment)
        return str(found.experiment_id if found else store.create_experiment(experiment))


def existing_store(config: TrackingConfig) -> Store | None:
    """The store that `config` names, if it is there with its MLflow experiment; nothing is made.

    Raises:
        See `open_store`.
    """
    uri = address(config)
    if not is_local(uri):
        client = reach(uri)
        with one_line_errors(f"{redact(uri)}: cannot be reached"):
            found = _find_experiment(client, config.experiment)
        return Store(client, uri, found.experiment_id) if found else None
    if not database_path(uri).is_file():
        return None
    store = read_database(database_path(uri))
    with one_line_errors(f"{redact(uri)}: cannot be opened"):
        found = _find_experiment(store.client, config.experiment)
    return replace(store, experiment_id=found.experiment_id) if found else None


def read_database(path: Path) -> Store:
    """The store of a database that is there, to read it; it stands for no MLflow experiment.

    Raises:
        TrackingError: it is no database of this MLflow's.
    """
    mlflow = import_mlflow()
    uri = SQLITE + str(path)
    with one_line_errors(f"{uri}: cannot be opened"), database.locked(path):
        database.prepare(path)
        return Store(mlflow.MlflowClient(uri, uri), uri, "")


def open_to_read(config: TrackingConfig) -> Store:
    """The store that `config` names, to read runs of whatever MLflow experiment; nothing is made.

    Raises:
        TrackingError: there is none, or it cannot be used.
    """
    uri = address(config)
    if not is_local(uri):
        return Store(reach(uri), uri, "")
    if not database_path(uri).is_file():
        raise TrackingError(
            f"{database.shown(database_path(uri))}: there is no such database, and so there are no runs"
        )
    return read_database(database_path(uri))


def check_server(uri: str) -> None:
    """Asks a server, or a database that is none of ours, whether it answers us at all; a local one is not looked at.

    Raises:
        UnreachableError: it does not.
        TrackingError: it does, but not to us: another address or other credentials are needed.
    """
    if not is_local(uri):
        reach(uri)


def reach(uri: str) -> Any:
    """MLflow's client, to read from, for a server or a PostgreSQL database that answers.

    Raises:
        UnreachableError: it does not.
        TrackingError: it does, but not to us: another address or other credentials are needed.
    """
    _refuse_repetitions()
    wait_no_longer_than(READING_SECONDS)
    mlflow = import_mlflow()
    with one_line_errors(f"{redact(uri)}: cannot be reached"):
        if is_postgres(uri):
            _import_databases()
            postgres.ensure_answers(uri)  # MLflow would ask ten times, for two minutes, and not say a word
        client = mlflow.MlflowClient(uri, uri)
        client.search_experiments(max_results=1)
    return client


def address(config: TrackingConfig) -> str:
    """The address of the store that `config` names.

    Raises:
        ConfigError: `$MLFLOW_TRACKING_URI` is one that cannot be used.
    """
    uri = config.uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    check_uri("tracking.uri" if config.uri else "MLFLOW_TRACKING_URI", uri)
    return uri


def is_local(uri: str) -> bool:
    """Whether the store is a file of this machine."""
    return uri.startswith(SQLITE)


def is_postgres(uri: str) -> bool:
    """Whether the store is a PostgreSQL database, without a server of MLflow's before it."""
    return uri.startswith("postgresql")


def database_path(uri: str) -> Path:
    """The file of a local store."""
    return Path(uri.removeprefix(SQLITE).partition("?")[0]).resolve()


def kept_address(uri: str) -> str:
    """The address as a journal keeps it: without a password, and so that it moves with the working folder."""
    return SQLITE + database.shown(database_path(uri)) if is_local(uri) else redact(uri)


def wait_no_longer_than(seconds: int) -> None:
    """How long this process waits for a server to say something, at each request.

    MLflow waits 120 s and asks 8 times; a longer time that the user set is cut, a shorter one stays.
    """
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    asked = os.environ.get(name, "")
    os.environ[name] = str(min(int(asked), seconds) if asked.isdecimal() else seconds)


def _open_database(path: Path, experiment: str) -> Store:
    if set("?%#") & set(str(path)):  # they would mean something in the database's address
        raise TrackingError(f"{path}: a folder or file with ?, % or # in its name cannot hold runs. Rename it")
    mlflow = import_mlflow()
    _import_databases()
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


def _import_databases() -> None:
    """What MLflow keeps runs in a database with. It takes a second or two: before the lock, not under it."""
    import_mlflow()
    with first_import("mlflow.store.tracking.sqlalchemy_store"):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def _open_postgres(uri: str, experiment: str) -> Store:
    _import_databases()
    postgres.ensure_answers(uri)
    with postgres.locked(uri):
        return _open_server(uri, experiment)


def _open_server(uri: str, experiment: str) -> Store:
    _refuse_repetitions()
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


def _refuse_repetitions() -> None:
    """MLflow would send again what a lost reply leaves open, and a second run would appear; read at each request."""
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"


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
