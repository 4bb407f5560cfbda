"""Reads many runs at once: from a database on this machine in a few queries, from a server in pages."""

from __future__ import annotations

import math
import os
import re
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cifar.config import LATER
from experiments.tracking.config import TrackingConfig
from experiments.tracking.database import BUSY_SECONDS, shown
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, import_mlflow, one_line_errors
from experiments.tracking.store import address, database_path, is_local, open_to_read

PAGE = 1000
AT_ONCE = 8  # requests to a server for curves
AT_A_TIME = 500  # ids in one query: SQLite takes at most 32,766 variables

PARENT_TAG = "mlflow.parentRunId"

KEPT, BEST = "val_accuracy", "best_val_accuracy"
"""The validation accuracy of the last epoch, and of the best."""

_DELETED = 2  # mlflow.entities.ViewType.DELETED_ONLY

_RESUMED = re.compile(r"^resume\.(\d+)\.(.+)$")

Curve = list[tuple[int, float]]
"""The values of a metric, each after its step."""


@dataclass(frozen=True)
class RecordedRun:
    """A run as a store has it; deleted ones are not read.

    Attributes:
        experiment: the name of its MLflow experiment.
        params: with what it was gone on with last, where that was something else (see `effective`).
        began, ended: milliseconds since 1970; `ended` is None while it runs.
        metrics: the last value of each; NaN where it was no number.
        artifact_uri: where its artifacts are; relative ones are meant from the folder of the database.
    """

    run_id: str
    name: str
    status: str
    experiment: str
    began: int
    ended: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    artifact_uri: str

    @property
    def parent(self) -> str | None:
        """The id of the run that it is below."""
        return self.tags.get(PARENT_TAG)

    @property
    def kept_validation(self) -> float:
        """The validation accuracy of the epoch whose weights it kept; NaN without one."""
        first, second = KEPT, BEST
        if self.params.get("training.restore_best_weights") == "true":
            first, second = second, first
        return self.metrics.get(first, self.metrics.get(second, math.nan))


def effective(params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """The settings that a run ended with: MLflow cannot change a param, so `resume=` keeps what changed as tags.

    A run of ours that was made before there was a setting has the value that it was made with.
    """
    found = dict(params)
    if "data.name" in found:
        found = {key: str(value).lower() for key, value in LATER.items()} | found
    resumed = [(int(number), key) for tag in tags for number, key in _RESUMED.findall(tag)]
    for number, key in sorted(resumed):
        if key in found:
            found[key] = tags[f"resume.{number}.{key}"]
    return found


def read_runs(config: TrackingConfig, asked: str | None = None) -> list[RecordedRun]:
    """The runs of a store, of all its MLflow experiments, the newest first.

    Args:
        config: names the store.
        asked: a filter as MLflow's pages take it (`params.model.name = 'model2'`); None: all runs.

    Returns:
        Nothing where there is no store yet.

    Raises:
        TrackingError: the store cannot be used, or the filter cannot be read.
    """
    uri = address(config)
    if is_local(uri):
        path = database_path(uri)
        if not path.is_file():
            if asked is not None:
                _check_filter(asked)
            return []
        if asked is None:
            with _read_only(path) as database:
                return _all_runs(database)
    client = open_to_read(config).client
    with one_line_errors(f"runs where {asked}" if asked else "the runs cannot be read"):
        names = {item.experiment_id: item.name for item in _pages(client.search_experiments)}
        found = _pages(client.search_runs, [*names], asked or "") if names else iter(())
        return [_recorded(run, names[run.info.experiment_id]) for run in found]


def refuse_missing(config: TrackingConfig) -> None:
    """Refuses a database that somebody named and that is not there, before it is taken for one without runs.

    Raises:
        TrackingError: it is one.
    """
    uri = address(config)
    named = config.uri or os.environ.get("MLFLOW_TRACKING_URI")
    if named and is_local(uri) and not database_path(uri).is_file():
        raise TrackingError(f"{redact(uri)}: there is no such database")


def _check_filter(asked: str) -> None:
    """Whether MLflow can read a filter, where there is no store to ask.

    Raises:
        TrackingError: it cannot.
    """
    import_mlflow()
    from mlflow.utils.search_utils import SearchUtils

    with one_line_errors(f"runs where {asked}"):
        SearchUtils.parse_search_filter(asked)


def deleted_run(name: str, config: TrackingConfig) -> str | None:
    """MLflow's id of the newest run of this name that was deleted in a store; None if there is none.

    Raises:
        TrackingError: the store cannot be used.
    """
    uri = address(config)
    if is_local(uri):
        if not (path := database_path(uri)).is_file():
            return None
        query = "SELECT run_uuid, name FROM runs WHERE lifecycle_stage = 'deleted' ORDER BY start_time DESC"
        with _read_only(path) as database:
            return next((run_id for run_id, called in database.execute(query) if called == name), None)
    client = open_to_read(config).client
    with one_line_errors("the runs cannot be read"):
        experiments = [item.experiment_id for item in _pages(client.search_experiments)]
        deleted = client.search_runs(experiments, run_view_type=_DELETED, max_results=1000) if experiments else []
    return next((run.info.run_id for run in deleted if run.info.run_name == name), None)


def read_curves(config: TrackingConfig, runs: Collection[str], names: Iterable[str]) -> dict[str, dict[str, Curve]]:
    """The whole histories of some metrics: {run id: {metric: [(step, value), ...]}}, in the order of their steps.

    Raises:
        TrackingError: the store cannot be used.
    """
    uri, wanted = address(config), sorted({*names})
    curves: dict[str, dict[str, Curve]] = defaultdict(lambda: defaultdict(list))
    if is_local(uri):
        with _read_only(database_path(uri)) as database:
            for run_id, name, step, value, is_nan in _measured(database, sorted(runs), wanted):
                curves[run_id][name].append((step, math.nan if is_nan else value))
    else:
        client = open_to_read(config).client
        with one_line_errors("the curves cannot be read"), ThreadPoolExecutor(AT_ONCE) as threads:
            pairs = [(run, name) for run in sorted(runs) for name in wanted]
            for (run, name), found in zip(
                pairs, threads.map(lambda pair: client.get_metric_history(*pair), pairs), strict=True
            ):
                curves[run][name] = sorted((item.step, item.value) for item in found)
    return {run: {name: curve for name, curve in found.items() if curve} for run, found in curves.items()}


# --- a database on this machine -------------------------------------------------------------------


class _read_only(closing[sqlite3.Connection]):  # noqa: N801  (used like a function)
    """A connection that can write nothing, whose errors are one line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            super().__init__(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS))
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def __exit__(self, *about: Any) -> None:
        super().__exit__(*about)
        if isinstance(about[1], sqlite3.DatabaseError):
            raise self._unreadable(about[1]) from None

    def _unreadable(self, error: sqlite3.Error) -> TrackingError:
        return TrackingError(f"{shown(self._path)}: cannot be read as a database of MLflow's ({error})")


def _all_runs(database: sqlite3.Connection) -> list[RecordedRun]:
    # Three large queries and no join: a run has some dozens of rows in each table.
    params, tags = (_by_run(database, f"SELECT run_uuid, key, value FROM {table}") for table in ("params", "tags"))
    latest = "SELECT run_uuid, key, CASE WHEN is_nan THEN NULL ELSE value END FROM latest_metrics"
    metrics = _by_run(database, latest)
    rows = database.execute(
        "SELECT run_uuid, runs.name, status, experiments.name, start_time, end_time, artifact_uri FROM runs "
        "JOIN experiments USING (experiment_id) WHERE runs.lifecycle_stage = 'active' "
        "AND experiments.lifecycle_stage = 'active' ORDER BY start_time DESC, run_uuid"
    )
    return [
        RecordedRun(
            run_id=run_id,
            name=name or "",
            status=status,
            experiment=experiment,
            began=began or 0,
            ended=ended,
            params=effective(params.get(run_id, {}), tags.get(run_id, {})),
            tags=tags.get(run_id, {}),
            metrics={key: math.nan if value is None else value for key, value in metrics.get(run_id, {}).items()},
            artifact_uri=artifact_uri or "",
        )
        for run_id, name, status, experiment, began, ended, artifact_uri in rows
    ]


def _by_run(database: sqlite3.Connection, query: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for run_id, key, value in database.execute(query):
        found[run_id][key] = value
    return found


def _measured(database: sqlite3.Connection, runs: list[str], names: list[str]) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(runs), AT_A_TIME):
        some = runs[start : start + AT_A_TIME]
        yield from database.execute(
            "SELECT run_uuid, key, step, value, is_nan FROM metrics "
            f"WHERE run_uuid IN ({_marks(some)}) AND key IN ({_marks(names)}) ORDER BY step, timestamp",
            [*some, *names],
        )


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))


# --- a server -------------------------------------------------------------------------------------


def _pages(search: Any, *arguments: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(*arguments, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _recorded(run: Any, experiment: str) -> RecordedRun:
    info = run.info
    return RecordedRun(
        run_id=info.run_id,
        name=info.run_name or "",
        status=info.status,
        experiment=experiment,
        began=info.start_time or 0,
        ended=info.end_time,
        params=effective(run.data.params, run.data.tags),
        tags=dict(run.data.tags),
        metrics=dict(run.data.metrics),
        artifact_uri=info.artifact_uri or "",
    )
