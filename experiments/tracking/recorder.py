"""Writes down one run: params, metrics, tags, artifacts, and how it ended."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from experiments.tracking.config import TrackingConfig
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, first_line, one_line_errors
from experiments.tracking.signals import Terminated, held_back, uninterrupted
from experiments.tracking.store import Store, open_store
from experiments.tracking.system import Sample

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

LONGEST_PARAM = 6000  # MLflow's limits, in characters; beyond them it cuts with a warning, or refuses
LONGEST_TAG = 5000
LONGEST_DIGEST = 36
LONGEST_ERROR = 500

log = logging.getLogger(__name__)


class Recorder:
    """The record of one run, open from `with` to its end.

    Ids are always passed explicitly: MLflow's active run and `MLFLOW_RUN_ID` play no part. How the block ends decides
    the run's status: FINISHED (also after `sys.exit(0)`), KILLED (Ctrl-C, Terminated), else FAILED with the tag
    `error`. An ending that cannot be recorded is logged as a warning and does not hide why the block ended.

    `tracking.run_name` goes before the `run_name` given here; with neither MLflow makes one up.

    Raises:
        TrackingError: any of its methods, when MLflow refuses or cannot be reached.
    """

    def __init__(
        self,
        store: Store,
        config: TrackingConfig,
        run_name: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.store = store
        self.run_id = ""
        self.run_name = config.run_name or run_name or ""
        self.artifact_uri = ""
        self._parent_run_id = config.parent_run_id
        self._params = dict(params or {})
        self._tags = dict(tags or {})
        if config.note is not None:
            self._tags["mlflow.note.content"] = config.note

    def __enter__(self) -> Recorder:
        if self._parent_run_id is not None:
            with one_line_errors(f"tracking.parent_run_id={self._parent_run_id}"):
                self.store.client.get_run(self._parent_run_id)
            self._tags["mlflow.parentRunId"] = self._parent_run_id
        try:
            self._create()
            self.log_params(self._params)
        except BaseException as error:
            if self.run_id:
                self._end(error)
            raise
        return self

    def _create(self) -> None:
        with held_back(), one_line_errors("the run cannot be recorded"):
            info = self.store.client.create_run(
                self.store.experiment_id, tags=_shown_tags(self._tags), run_name=self.run_name or None
            ).info
            self.run_id, self.run_name, self.artifact_uri = info.run_id, info.run_name, info.artifact_uri

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    def log_epoch(self, epoch: int, metrics: Mapping[str, float], samples: Iterable[Sample] = ()) -> None:
        """The metrics of an epoch, counted from 1, and what SystemSampler.drain() gave; one write for all.

        A value that is infinite is recorded as NaN: MLflow would keep 1.8e308, which looks like a measurement.
        """
        entries = [(name, value, _now(), epoch) for name, value in metrics.items()]
        entries += [(name, value, at, step) for at, step, values in samples for name, value in values.items()]
        self._write_batch(metrics=entries)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Final values, such as test_accuracy; infinite ones as NaN (see `log_epoch`)."""
        self._write_batch(metrics=[(name, value, _now(), step or 0) for name, value in metrics.items()])

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Settings, spelled as on the command line (`true`, `null`); they cannot be changed afterwards."""
        self._write_batch(params={name: _cut(redact(spelled(value)), LONGEST_PARAM) for name, value in params.items()})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Facts about the run; a later value replaces an earlier one."""
        self._write_batch(tags=_shown_tags(tags))

    def log_file(self, path: Path | str, folder: str = "") -> None:
        """Copies a file, or a folder with all in it, to the run's artifacts."""
        method = "log_artifacts" if Path(path).is_dir() else "log_artifact"
        self._write(method, str(path), folder or None)

    def log_text(self, text: str, name: str) -> None:
        """An artifact of this text; `name` may have folders: `config/resolved.yaml`."""
        self._write("log_text", text, name)

    def log_json(self, value: Any, name: str) -> None:
        """An artifact of this value as JSON."""
        self.log_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", name)

    def log_figure(self, figure: Figure, name: str) -> None:
        """An artifact of a Matplotlib figure; the ending of `name` chooses the format."""
        self._write("log_figure", figure, name)

    def log_dataset(
        self, images: np.ndarray, labels: np.ndarray, *, digest: str, source: str, name: str, context: str
    ) -> None:
        """Which data the run saw, as `mlflow.log_input` records it, without reading the images.

        `digest` is the caller's own hash, of which MLflow keeps 36 characters; `source` a path or an address;
        `context` what the data was for: train, validation, test.
        """
        from experiments.tracking.dataset import dataset_input

        described = dataset_input(images, labels, digest[:LONGEST_DIGEST], redact(source), name, context)
        self._write("log_inputs", [described])

    def end_children(self) -> None:
        """Ends as KILLED the runs below this one that are still open, since the processes that wrote them are gone."""
        below = f"tags.`mlflow.parentRunId` = '{self.run_id}' AND attributes.status = 'RUNNING'"
        try:
            with one_line_errors("its children cannot be closed"):
                for child in self.store.client.search_runs([self.store.experiment_id], below):
                    self.store.client.set_terminated(child.info.run_id, "KILLED")
        except TrackingError as reason:
            log.warning("run %s: %s", self.run_id, reason)

    def _write_batch(
        self,
        metrics: Iterable[tuple[str, float, int, int]] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self._write(
            "log_batch",
            metrics=[Metric(name, _storable(value), at, step) for name, value, at, step in metrics],
            params=[Param(name, value) for name, value in (params or {}).items()],
            tags=[RunTag(name, value) for name, value in (tags or {}).items()],
        )

    def _write(self, method: str, *arguments: Any, **named: Any) -> None:
        """The one door to MLflow for everything about a run that is open."""
        with held_back(), one_line_errors(f"run {self.run_name}: {method} failed"):
            getattr(self.store.client, method)(self.run_id, *arguments, **named)

    def _end(self, error: BaseException | None) -> None:
        with uninterrupted():
            self._close(status_of(error), error)

    def _close(self, status: str, error: BaseException | None) -> None:
        try:
            self._write("set_terminated", status)
            if error is not None and status == "FAILED":
                self.set_tags({"error": _cut(f"{type(error).__name__}: {first_line(error)}", LONGEST_ERROR)})
        except TrackingError as reason:
            log.warning("run %s: its end (%s) is not recorded: %s", self.run_id, status, reason)


class NullRecorder(Recorder):
    """Records nothing, with the surface of a Recorder; `run_id` and `artifact_uri` are empty."""

    def __init__(self, run_name: str | None = None) -> None:
        self.run_id, self.run_name, self.artifact_uri = "", run_name or "", ""

    def __enter__(self) -> NullRecorder:
        return self

    def log_dataset(self, *arguments: Any, **named: Any) -> None:
        """Nothing."""

    def end_children(self) -> None:
        """Nothing."""

    def _write_batch(self, *arguments: Any, **named: Any) -> None: ...

    def _write(self, method: str, *arguments: Any, **named: Any) -> None: ...


def open_recorder(
    config: TrackingConfig,
    run_name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Recorder:
    """The recorder that `config` asks for: of its store, or a NullRecorder when tracking is not enabled.

    Raises:
        TrackingError: the store cannot be used (see `open_store`).
    """
    if not config.enabled:
        return NullRecorder(config.run_name or run_name)
    return Recorder(open_store(config), config, run_name, params, tags)


def status_of(error: BaseException | None) -> str:
    """MLflow's status of a run whose block ended with this exception, or with none."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt | Terminated) else "FAILED"


def _now() -> int:
    return time.time_ns() // 1_000_000


def _storable(value: float) -> float:
    number = float(value)
    return math.nan if math.isinf(number) else number


def spelled(value: Any) -> str:
    """A setting as it is spelled on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _shown_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: _cut(redact(str(value)), LONGEST_TAG) for name, value in tags.items()}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
