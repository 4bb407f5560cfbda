"""Writes down one run: params, metrics, tags, artifacts, and how it ended. First in its folder, then in a store."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from experiments.tracking.config import TrackingConfig
from experiments.tracking.dataset import describe
from experiments.tracking.facts import NOTE_TAG, Measurement
from experiments.tracking.journal import now
from experiments.tracking.model import HASH_TAG, NAME, save_model
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, first_line, one_line_errors
from experiments.tracking.session import Session
from experiments.tracking.signals import Terminated
from experiments.tracking.spelling import (
    LONGEST_DIGEST,
    LONGEST_ERROR,
    check_metrics,
    cut,
    plain,
    shown_params,
    shown_tags,
)
from experiments.tracking.staging import copies_of
from experiments.tracking.store import Store
from experiments.tracking.system import Sample

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)


class Recorder:
    """The record of one run, open from `with` to its end.

    Everything is written to a journal in `folder` first; a thread brings it to the store that `config` names. A store
    that cannot be reached, or does not answer any more, costs seconds and one warning; `experiments.sync` completes
    it afterwards. A store on this machine has what a method was told when the method returns, if it takes it.

    Ids are always passed explicitly: MLflow's active run and `MLFLOW_RUN_ID` play no part. How the block ends decides
    the run's status: FINISHED (also after `sys.exit(0)`), KILLED (Ctrl-C, Terminated), else FAILED with the tag
    `error`.

    Args:
        config: the store, and how the run is shown; its `run_name` goes before the one given here.
        folder: of this run alone. What an earlier run left in it is put aside.
        resume: MLflow's id, or the `reference`, of a run to go on with instead of beginning one. Its settings stay;
            what differs now is kept as tags `resume.N...`, and a step that it has is not recorded again.
        warn: shows a person a line; it goes to the log if not given.

    Raises:
        TrackingError: on entering, the store cannot be used and that is for the user to mend; later, the folder does
            not take what is written, or MLflow would refuse it.
    """

    def __init__(
        self,
        config: TrackingConfig,
        folder: Path,
        run_name: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        *,
        resume: str | None = None,
        warn: Callable[[str], None] = log.warning,
    ) -> None:
        self._params = dict(params or {})
        self._tags = dict(tags or {})
        if config.note is not None:
            self._tags[NOTE_TAG] = config.note
        self._session = Session(config, folder, config.run_name or run_name or "", resume, warn)

    def __enter__(self) -> Recorder:
        self._session.open(self._params, self._tags)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status, reason = status_of(error), None
        if error is not None and status == "FAILED":
            reason = cut(f"{type(error).__name__}: {first_line(error)}", LONGEST_ERROR)
        self._session.end(status, reason)

    @property
    def run_name(self) -> str:
        """What the run is called."""
        return self._session.name

    @property
    def run_id(self) -> str:
        """MLflow's id of the run; empty until the store has it."""
        return str(self._session.run.info.run_id) if self._session.run else ""

    @property
    def artifact_uri(self) -> str:
        """Where the store keeps the run's artifacts; empty until it has the run."""
        return str(self._session.run.info.artifact_uri) if self._session.run else ""

    @property
    def store(self) -> Store | None:
        """Where the run is brought to; None until that was reached."""
        return self._session.store

    @property
    def reference(self) -> str:
        """What names this run as the parent of others, or to go on with it: MLflow's id, or what it has without."""
        return self._session.reference

    @property
    def in_step(self) -> bool:
        """Whether the store has all that was recorded."""
        return self._session.in_step

    @property
    def completing(self) -> str:
        """The command that brings the store what it lacks."""
        return self._session.completing

    def log_epoch(self, epoch: int, metrics: Mapping[str, float], samples: Iterable[Sample] = ()) -> None:
        """The metrics of an epoch, counted from 1, and what SystemSampler.drain() gave; one write for all.

        A value that is infinite is recorded as NaN: MLflow would keep 1.8e308, which looks like a measurement.
        """
        first = self._session.recorded.samples
        at = now()
        measured = [Measurement.of(name, value, at, epoch) for name, value in metrics.items()]
        measured += [
            Measurement.of(name, value, sample.timestamp, first + sample.step)
            for sample in samples
            for name, value in sample.values.items()
        ]
        self._log_metrics(measured)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Final values, such as test_accuracy; infinite ones as NaN (see `log_epoch`)."""
        at = now()
        self._log_metrics([Measurement.of(name, value, at, step or 0) for name, value in metrics.items()])

    def steps_of(self, name: str) -> set[int]:
        """The steps at which this metric was recorded before the run was taken up again."""
        return {step for other, step in self._session.recorded.steps if other == name}

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Settings, spelled as on the command line (`true`, `null`); they cannot be changed afterwards."""
        told, there = shown_params(params), self._session.recorded
        for name in there.changed(told):
            raise TrackingError(
                f"run {self.run_name}: param {name} is recorded as {there.params[name]} and cannot become {told[name]}"
            )
        self._session.record("params", values=told)
        there.params |= told

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Facts about the run; a later value replaces an earlier one."""
        self._session.record("tags", values=shown_tags(tags))

    def log_file(self, path: Path | str, folder: str = "") -> None:
        """Copies a file, or a folder with all in it, to the run's artifacts."""
        for name, copy in copies_of(Path(path), folder):
            self._session.keep(name, copy)

    def log_text(self, text: str, name: str) -> None:
        """An artifact of this text; `name` may have folders: `config/resolved.yaml`."""
        self._session.keep(name, lambda path: path.write_text(plain(text), encoding="utf-8"))

    def log_json(self, value: Any, name: str) -> None:
        """An artifact of this value as JSON."""
        self.log_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", name)

    def log_figure(self, figure: Figure, name: str) -> None:
        """An artifact of a Matplotlib figure; the ending of `name` chooses the format."""
        self._session.keep(name, figure.savefig)

    def log_dataset(
        self, images: np.ndarray, labels: np.ndarray, *, digest: str, source: str, name: str, context: str
    ) -> None:
        """Which data the run saw, as `mlflow.log_input` records it, without reading the images.

        `digest` is the caller's own hash, of which MLflow keeps 36 characters; `source` a path or an address;
        `context` what the data was for: train, validation, test.
        """
        told = describe(images, labels, digest[:LONGEST_DIGEST], redact(source), name, context)
        self._session.record("inputs", values=[told])

    def log_model(self, model: Any, example_images: np.ndarray, step: int = 0) -> None:
        """A Keras model that takes raw images, for MLflow to load and to serve (see `save_model`), after `step` epochs.

        A run that was taken up again keeps the one that it has; if it came further than that `step`, the new one
        stands beside it, and MLflow loads the new one.
        """
        there = self._session.recorded.models
        if step in there:
            return
        folder = f"{NAME}-{step}" if there else NAME
        with one_line_errors(f"run {self.run_name}: the model is not recorded"):
            sha256 = save_model(self._session.folder / folder, model, example_images)
        self.set_tags({HASH_TAG: sha256})
        self._session.record("model", folder=folder, name=NAME, step=step)
        there.add(step)

    def end_children(self) -> None:
        """Ends as KILLED the runs below this one that are still open, since the processes that wrote them are gone."""
        if self.store is None or not self.run_id or self._session.failure is not None:
            return  # whoever completes the record sees that their processes are gone
        below = f"tags.`mlflow.parentRunId` = '{self.run_id}' AND attributes.status = 'RUNNING'"
        try:
            with one_line_errors("its children cannot be closed"):
                for child in self.store.client.search_runs([self.store.experiment_id], below):
                    self.store.client.set_terminated(child.info.run_id, "KILLED")
        except TrackingError as reason:
            log.warning("run %s: %s", self.run_id, reason)

    def _log_metrics(self, measured: Iterable[Measurement]) -> None:
        metrics = self._session.recorded.new(measured)
        check_metrics({metric.name for metric in metrics})
        self._session.record("metrics", values=metrics)


class NullRecorder(Recorder):
    """Records nothing, with the surface of a Recorder; `run_id` and `artifact_uri` are empty."""

    store, run_id, artifact_uri, reference, completing, in_step = None, "", "", "", "", True

    def __init__(self, run_name: str | None = None) -> None:
        self._name = run_name or ""

    @property
    def run_name(self) -> str:
        """What the run is called."""
        return self._name

    def __enter__(self) -> NullRecorder:
        return self

    def __exit__(self, *_: object) -> None: ...
    def steps_of(self, name: str) -> set[int]:
        """None: nothing was recorded."""
        return set()

    def log_epoch(self, *_: Any) -> None: ...
    def log_metrics(self, *_: Any, **named: Any) -> None: ...
    def log_params(self, *_: Any) -> None: ...
    def set_tags(self, *_: Any) -> None: ...
    def log_file(self, *_: Any, **named: Any) -> None: ...
    def log_text(self, *_: Any) -> None: ...
    def log_figure(self, *_: Any) -> None: ...
    def log_dataset(self, *_: Any, **named: Any) -> None: ...
    def log_model(self, *_: Any, **named: Any) -> None: ...
    def end_children(self) -> None: ...


def open_recorder(
    config: TrackingConfig,
    folder: Path,
    run_name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    *,
    resume: str | None = None,
    warn: Callable[[str], None] = log.warning,
) -> Recorder:
    """The recorder that `config` asks for: of a run kept in `folder`, or a NullRecorder when tracking is not enabled.

    See `Recorder` for the arguments.

    Raises:
        ConfigError: `$MLFLOW_TRACKING_URI` is an address that cannot be used.
    """
    if not config.enabled:
        return NullRecorder(config.run_name or run_name)
    return Recorder(config, folder, run_name, params, tags, resume=resume, warn=warn)


def status_of(error: BaseException | None) -> str:
    """MLflow's status of a run whose block ended with this exception, or with none."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt | Terminated) else "FAILED"
