"""One run from its settings to its record: what `run`, a multirun and a sweep have in common."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from cifar import document
from cifar.config import RunConfig
from experiments.display import TrainingDisplay, duration, say
from experiments.folders import write_config
from experiments.record import fingerprint, record_beginning, record_result, run_name, run_params, tracking_params
from experiments.results.leaderboard import FinishedRun
from experiments.schema import Settings
from experiments.tracking.config import TrackingConfig
from experiments.tracking.database import shown
from experiments.tracking.opening import put_aside
from experiments.tracking.provenance import describe_environment
from experiments.tracking.recorder import Recorder, open_recorder
from experiments.tracking.redaction import redact, redacted_traceback
from experiments.tracking.service import TrackingError
from experiments.tracking.signals import stop_behind
from experiments.tracking.spelling import spelled
from experiments.tracking.staging import CHECKPOINTS
from experiments.tracking.store import is_local
from experiments.tracking.system import SystemSampler
from experiments.tracking.twins import FINGERPRINT_TAG

if TYPE_CHECKING:
    from cifar.checkpoints import Checkpoints
    from cifar.compute import Device
    from cifar.data import Dataset
    from cifar.engines import Engine
    from cifar.evaluation import Evaluation
    from cifar.training import Trained

LOG_FILE = "console.log"
RESULT_FILE = "result.json"

GO_ON = "to go on: "
"""How the note begins, on an error that ends a run, that says with which command."""

log = logging.getLogger("experiments")


@dataclass(frozen=True)
class Place:
    """Where a run happens: its folder, the terminal, and whether it has that to itself."""

    folder: Path
    console: Console
    live: bool = True

    def busy(self, doing: str) -> AbstractContextManager[object]:
        """Show on a terminal that something takes its time."""
        return self.console.status(doing) if self.live else nullcontext()


def execute(
    settings: Settings,
    resolved_config: str,
    place: Place,
    resume: str | None = None,
    tags: Mapping[str, str] | None = None,
    dataset: Dataset | None = None,
    engine: Engine | None = None,
) -> FinishedRun:
    """Train one network, score it on the test images once, and record all of it.

    Args:
        settings: what to train and where to record it.
        resolved_config: the composed configuration as YAML, kept with the run.
        place: where to write and show what.
        resume: what the recorder knows the run in this place by, to go on with it from its last checkpoint; empty if
            it was not recorded. None: a new run.
        tags: what else is to be said of the run; they go before what this process says of itself.
        dataset: the images that the settings ask for, where they were loaded already.
        engine: one for the settings and these images, as good as new, where there is one.

    Raises:
        CheckpointError: there is no good checkpoint, or it was made from other images, and the run is as it was; or,
            later, one cannot be written.
        ConfigError: this machine cannot do what the settings ask for; no run was created.
        DataError: the images cannot be had; no run was created.
        TrackingError: the store cannot be used.
        TrainingDivergedError: the loss is no number any more.
    """
    from cifar import compute
    from cifar.data import load_dataset

    run = settings.run
    with place.busy(f"starting {run.compute.backend}"):
        device = compute.prepare(run.compute)
    dataset = load_dataset(run.data) if dataset is None else dataset
    checkpoints = _checkpoints(run, dataset, place, resume is not None)
    about = {
        "device": f"{device.kind}: {device.name}",
        "data.source": dataset.source,
        "data.digest": dataset.digest,
        FINGERPRINT_TAG: fingerprint(run, dataset.digest),
    }
    tags = describe_environment() | about | dict(tags or {})
    params = run_params(settings) | tracking_params(settings)
    with (
        open_recorder(
            settings.tracking,
            place.folder,
            run_name(settings),
            params,
            tags,
            resume=resume or None,
            warn=partial(say, place.console),
        ) as recorder,
        SystemSampler() as sampler,
    ):
        try:
            if resume is None and not settings.tracking.enabled:
                put_aside(place.folder)  # of an earlier run; a recorder does it by itself
            write_config(place.folder, redact(resolved_config))
            say(place.console, headline(run, device, dataset))
            record_beginning(recorder, dataset, run.data.name, resolved_config)
            trained = _train(run, dataset, recorder, sampler, place, checkpoints, engine)
            evaluation = _score(trained, dataset)
            say(place.console, verdict(run, trained, evaluation))
            with place.busy("recording the results"):
                record_result(recorder, settings, trained, evaluation, dataset)
        except BaseException as error:
            log.error("the run ended early: %s", redacted_traceback(error))
            cause = stop_behind(error) or error
            if type(error).__name__ != "TrainingDivergedError":  # it would again
                cause.add_note(f"{GO_ON}python -m experiments.run resume={shlex.quote(shown(place.folder.absolute()))}")
            if cause is not error:  # TensorFlow and Keras make another exception of a stop while they trace
                raise cause from error
            raise
        finally:
            _keep_log(recorder, place.folder)
    if settings.tracking.parent_run_id is None or resume is not None:
        say(place.console, whereabouts(recorder, settings.tracking, place.folder))
    return _finished(recorder, settings, trained, evaluation)


def headline(run: RunConfig, device: Device, dataset: Dataset) -> str:
    """What is about to happen, in one line."""
    epochs = f"{run.training.epochs} epoch{'s' if run.training.epochs > 1 else ''}"
    held_out = f" + {len(dataset.validation):,} for validation" if dataset.validation is not None else ""
    return (
        f"{run.model.name}, {run.optimizer.name} (learning rate {run.optimizer.learning_rate:g}), "
        f"{epochs}, {len(dataset.train):,} images{held_out}, seed {run.seed}, "
        f"{run.compute.backend} on {device.name}; data: {dataset.source}"
    )


def verdict(run: RunConfig, trained: Trained, evaluation: Evaluation) -> str:
    """What came out, beside what the source document reports for this network."""
    text = f"test accuracy {evaluation.accuracy:.2%}, test loss {evaluation.loss:.4f}"
    name = run.model.name
    if run.data.name == "cifar10" and name in document.TEST_ACCURACY:
        text += f" (the document's {name}: {document.TEST_ACCURACY[name]:.2%}, {document.TEST_LOSS[name]:.4f})"
    return f"{text}; {trained.stop_reason}, {duration(trained.seconds)}"


def whereabouts(recorder: Recorder, tracking: TrackingConfig, folder: Path) -> str:
    """Where the record is, and how to look at it."""
    if not tracking.enabled:
        return f"not recorded (tracking.enabled=false); log: {folder}"
    if not recorder.in_step or recorder.store is None:
        lacks = f"{recorder.store} lacks a part of it" if recorder.run_id else "no store has it yet"
        return f"recorded as {recorder.run_name} in {folder}; {lacks}. To complete it: {recorder.completing}"
    recorded = f"recorded as {recorder.run_name}, run {recorder.run_id}; log: {folder}"
    if tracking.uri is not None or not is_local(recorder.store.uri):
        return f"{recorded}; at {recorder.store}"
    # mlflow is at hand in an activated environment only, and its `ui` does not ask $MLFLOW_TRACKING_URI
    plain = shutil.which("mlflow") and not os.environ.get("MLFLOW_TRACKING_URI")
    command = "mlflow ui" if plain else f"{shlex.quote(shown(Path(sys.executable)))} -m experiments.ui"
    # Without the last part MLflow's pages show traces of language models first.
    page = f"#/experiments/{recorder.store.experiment_id}/runs/{recorder.run_id}?workflowType=machine_learning"
    return f"{recorded}\nto look at it: {command}, then open http://127.0.0.1:5000/{page}"


def write_result(folder: Path, result: FinishedRun) -> None:
    """Keep the result in the run's folder; a reader sees all of it or none."""
    unfinished = folder / f"{RESULT_FILE}.part"
    unfinished.write_text(json.dumps(asdict(result), indent=2), encoding="utf-8")
    unfinished.replace(folder / RESULT_FILE)


def read_result(folder: Path) -> FinishedRun | None:
    """The result that a run left in its folder; None if it left none."""
    try:
        return FinishedRun(**json.loads((folder / RESULT_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _checkpoints(run: RunConfig, dataset: Dataset, place: Place, resuming: bool) -> Checkpoints | None:
    """Where the training keeps its state, if it is to; a run that goes on has to find a good one there, or none."""
    from cifar.checkpoints import Checkpoints
    from cifar.snapshots import decisive_settings

    checkpoints = Checkpoints(place.folder / CHECKPOINTS)
    if resuming and checkpoints.load(decisive_settings(run), dataset.digest) is None:
        say(place.console, "no checkpoint was written yet: the run begins again from epoch 1")
    return checkpoints if resuming or run.training.checkpoint_every > 0 else None


def _train(
    run: RunConfig,
    dataset: Dataset,
    recorder: Recorder,
    sampler: SystemSampler,
    place: Place,
    checkpoints: Checkpoints | None,
    engine: Engine | None,
) -> Trained:
    from cifar.training import train

    with TrainingDisplay(run, place.console, place.live) as display:
        return train(run, dataset, _Watch(recorder, sampler, display), checkpoints, engine)


@dataclass(frozen=True)
class _Watch:
    """Hands what the training tells on to the record and to the display."""

    recorder: Recorder
    sampler: SystemSampler
    display: TrainingDisplay

    def on_resume(self, history: list[dict[str, float]], warnings: list[str]) -> None:
        for epoch, metrics in enumerate(history, start=1):
            self.recorder.log_epoch(epoch, metrics)  # a kill may have come before it was told; no step is doubled
        self.display.on_resume(history, warnings)

    def on_step(self, epoch: int, step: int) -> None:
        self.display.on_step(epoch, step)

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        self.recorder.log_epoch(epoch, metrics, self.sampler.drain())
        self.display.on_epoch(epoch, metrics)


def _score(trained: Trained, dataset: Dataset) -> Evaluation:
    from cifar.training import score

    return score(trained.predict, dataset.test)


def _keep_log(recorder: Recorder, folder: Path) -> None:
    log_file = folder / LOG_FILE
    if log_file.is_file():
        with suppress(TrackingError):  # the log is still in the folder
            recorder.log_text(redact(log_file.read_text(encoding="utf-8")), LOG_FILE)


def _finished(recorder: Recorder, settings: Settings, trained: Trained, evaluation: Evaluation) -> FinishedRun:
    from experiments.record import final_metrics

    return FinishedRun(
        run_id=recorder.run_id,
        name=recorder.run_name,
        status="FINISHED",
        params={name: spelled(value) for name, value in run_params(settings).items()},
        metrics=_kept_epoch(settings.run, trained) | final_metrics(trained, evaluation),
    )


def _kept_epoch(run: RunConfig, trained: Trained) -> dict[str, float]:
    """The metrics of the epoch whose weights the network has."""
    best = trained.best_epoch if run.training.restore_best_weights else None
    return trained.history[(best or len(trained.history)) - 1]
