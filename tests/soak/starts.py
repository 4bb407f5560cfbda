"""Eight processes start at the same moment where nothing is yet: no database, no MLflow experiment."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.services import postgres
from tests.services.server import running
from tests.soak.forks import apart, at_once
from tests.soak.load import recorded
from tests.soak.row import Row

PROCESSES = 8
REPEATS = 20


def rows() -> Iterator[Row]:
    """Starts on fresh SQLite files, on fresh PostgreSQL databases, and at a server that lacks the MLflow experiment."""
    with tempfile.TemporaryDirectory() as folder:
        yield measure("a fresh SQLite file", Path(folder), [new_file(Path(folder), n) for n in range(REPEATS)])
    if postgres.programs() is None:
        yield Row(f"starts on a fresh PostgreSQL database: left out, {postgres.MISSING}", 0, 0, 0.0)
        return
    with tempfile.TemporaryDirectory() as folder, postgres.cluster() as cluster:
        fresh = [(cluster.new_database(), "starts") for _ in range(REPEATS)]
        yield measure("a fresh PostgreSQL database", Path(folder), fresh)
        with running(Path(folder), "--auth", "--workers", "2", store=cluster.new_database()) as server:
            fresh = [(server.address, f"starts-{number}") for number in range(REPEATS)]
            place = "a fresh MLflow experiment of a server on PostgreSQL, with users"
            yield measure(place, Path(folder), fresh, server.credentials)


def new_file(folder: Path, number: int) -> tuple[str, str]:
    """A store that is not there yet, and the MLflow experiment to make in it."""
    return f"sqlite:///{folder}/{number}/mlflow.db", "starts"


def measure(place: str, folder: Path, stores: list[tuple[str, str]], variables: Mapping[str, str] | None = None) -> Row:
    """Start eight at once on each of the stores; count the starts of which no whole record came."""
    began = time.perf_counter()
    lost = apart(failures, folder, variables, stores=stores)
    what = f"starts, {len(stores)} times {PROCESSES} at once on {place}"
    return Row(what, len(stores) * PROCESSES, lost, time.perf_counter() - began)


def failures(stores: list[tuple[str, str]]) -> int:
    """How many of all starts failed or left no finished run with its value."""
    failed = sum(start_together(uri, experiment) for uri, experiment in stores)  # forks: before this process connects
    expected = sorted((str(number), float(number), "FINISHED") for number in range(PROCESSES))
    missing = 0
    for uri, experiment in stores:
        _, runs = recorded(uri, experiment)
        found = sorted((run.info.run_name, run.data.metrics.get("loss"), run.info.status) for run in runs)
        missing += len(set(expected) - set(found)) + abs(len(found) - len(expected))
    return max(failed, missing)


def start_together(uri: str, experiment: str) -> int:
    """Eight runs from the same moment on; returns how many failed."""
    from experiments.tracking.config import TrackingConfig
    from experiments.tracking.recorder import open_recorder

    def one(number: int) -> None:
        if uri.startswith("sqlite:///"):
            folder = Path(uri.removeprefix("sqlite:///")).parent
            folder.mkdir(exist_ok=True)
            os.chdir(folder)  # as a user does
        config = TrackingConfig(uri=uri, experiment=experiment, run_name=str(number))
        with open_recorder(config, Path("runs", experiment, str(number))) as recorder:
            recorder.log_epoch(1, {"loss": float(number)})

    return at_once(one, PROCESSES)
