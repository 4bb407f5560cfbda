"""Many runs record at once; then every value is read back, one by one."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.services import postgres
from tests.services.server import running
from tests.soak.forks import apart, at_once
from tests.soak.row import Row


@dataclass(frozen=True)
class Load:
    """`runs` processes, each of which records `metrics` values in each of `epochs` epochs."""

    runs: int
    epochs: int
    metrics: int

    @property
    def values(self) -> int:
        """How many in all."""
        return self.runs * self.epochs * self.metrics

    def __str__(self) -> str:
        return f"{self.runs} processes x {self.epochs} epochs x {self.metrics}"


ONE_BY_ONE = Load(runs=8, epochs=200, metrics=1)
MANY = Load(runs=16, epochs=50, metrics=20)


def rows() -> Iterator[Row]:
    """Both loads on SQLite, and on a server with PostgreSQL and users."""
    for load in (ONE_BY_ONE, MANY):
        with tempfile.TemporaryDirectory() as folder:
            yield measure(load, "SQLite", Path(folder), "sqlite:///mlflow.db")
    place = "a server on PostgreSQL, with users"
    if postgres.programs() is None:
        yield Row(f"values, {place}: left out, {postgres.MISSING}", 0, 0, 0.0)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.cluster() as cluster,
        running(Path(folder), "--auth", "--workers", "2", store=cluster.new_database()) as server,
    ):
        for load in (ONE_BY_ONE, MANY):
            yield measure(load, place, Path(folder), server.address, server.credentials)


def measure(load: Load, place: str, folder: Path, uri: str, variables: Mapping[str, str] | None = None) -> Row:
    """Put the load on the store at `uri` and count the values that are missing, wrong or doubled."""
    lost, seconds = apart(record_and_check, folder, variables, uri=uri, **asdict(load))
    return Row(f"values, {load}, {place}", load.values, lost, seconds)


def record_and_check(uri: str, runs: int, epochs: int, metrics: int) -> tuple[int, float]:
    """How many values (or whole runs) were lost, and the seconds that the recording took."""
    load = Load(runs, epochs, metrics)
    began = time.perf_counter()
    failed = record(uri, load)
    seconds = time.perf_counter() - began
    return max(failed, wrong(uri, load)), seconds


def record(uri: str, load: Load) -> int:
    """All runs at once; returns how many of them failed."""
    from experiments.tracking.config import TrackingConfig
    from experiments.tracking.recorder import open_recorder

    def one(number: int) -> None:
        config = TrackingConfig(uri=uri, experiment=str(load), run_name=str(number))
        with open_recorder(config, Path("runs", str(load), str(number))) as recorder:
            for epoch in range(1, load.epochs + 1):
                recorder.log_epoch(epoch, {f"m{m}": value(number, m, epoch) for m in range(load.metrics)})

    return at_once(one, load.runs)


def value(run: int, metric: int, epoch: int) -> float:
    """Another one for each, so that a value in a wrong place is seen."""
    return run * 1e6 + metric * 1e3 + epoch


def wrong(uri: str, load: Load) -> int:
    """How many values of the store are missing, how many are there that should not be, or twice."""
    client, found_runs = recorded(uri, str(load))
    found: Counter[tuple[str, str, int, float]] = Counter()
    for run in found_runs:
        for name in (f"m{metric}" for metric in range(load.metrics)):
            history = client.get_metric_history(run.info.run_id, name)
            found.update((run.info.run_name, name, item.step, item.value) for item in history)
    expected = Counter(
        (str(run), f"m{metric}", epoch, value(run, metric, epoch))
        for run in range(load.runs)
        for metric in range(load.metrics)
        for epoch in range(1, load.epochs + 1)
    )
    unfinished = sum(run.info.status != "FINISHED" for run in found_runs)
    return (expected - found).total() + (found - expected).total() + unfinished


def recorded(uri: str, experiment: str) -> tuple[Any, list[Any]]:
    """MLflow's client and the runs of an MLflow experiment."""
    from experiments.tracking.service import import_mlflow

    client = import_mlflow().MlflowClient(uri, uri)
    found = client.get_experiment_by_name(experiment)
    return client, list(client.search_runs([found.experiment_id], max_results=5000)) if found else []
