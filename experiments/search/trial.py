"""One trial, in a worker process: a run like any other, but for the test images, which no trial sees."""

from __future__ import annotations

import gc
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from cifar.config import DataConfig, RunConfig
from experiments.folders import write_config
from experiments.record import run_params, tracking_params
from experiments.schema import Settings
from experiments.search.config import OBJECTIVES
from experiments.search.plan import read_tree
from experiments.search.pruning import Bars
from experiments.search.records import SweepError, Trial
from experiments.search.workers import Job, Outcome
from experiments.tracking.config import TrackingConfig
from experiments.tracking.facts import REFERENCE
from experiments.tracking.journal import JOURNAL_FILE, is_being_written, read_journal
from experiments.tracking.provenance import describe_environment
from experiments.tracking.recorder import Recorder, open_recorder
from experiments.tracking.redaction import redact
from experiments.tracking.staging import CHECKPOINTS

if TYPE_CHECKING:
    from cifar.checkpoints import Checkpoints
    from cifar.compute import Device
    from cifar.data import Dataset

TRIALS = "trials"
"""The folder of them in the sweep's."""

OUTCOME_FILE = "outcome.json"

PAUSE = 0.2
"""Seconds between two looks at a trial that another process still trains."""


@dataclass(frozen=True)
class Site:
    """Where the trials of a sweep happen.

    Attributes:
        sweep: its folder, absolute.
        name: the sweep's.
        home: the working folder, which a relative address of a store is meant from.
        tracking: where to record; its parent is the sweep's run.
        command: what was typed to begin, or go on with, the sweep.
        keep_checkpoints: whether a later trial may go on from one that has ended.
    """

    sweep: Path
    name: str
    home: Path
    tracking: TrackingConfig
    command: tuple[str, ...] = ()
    keep_checkpoints: bool = False

    def folder(self, number: int) -> Path:
        """Where a trial writes."""
        return self.sweep / TRIALS / f"{number:04}"


class PrunedError(Exception):
    """The trial stops early; says why."""


def run_trial(job: Job, site: Site) -> Outcome:
    """Train one trial to its end, from its beginning or from where an earlier attempt left it.

    Asked again for a trial that has ended, it answers the same at once.

    Raises:
        SweepError: this machine does not see the sweep's folder.
        ConfigError, DataError, CheckpointError, TrackingError, TrainingDivergedError: see `execution.execute`.
    """
    folder = site.folder(job.trial.number)
    if not site.sweep.is_dir():
        raise SweepError(f"{site.sweep}: a worker does not see this folder; trials need one that all workers share")
    if Path.cwd() != site.home:  # of a cluster's worker
        os.chdir(site.home)
    folder.mkdir(parents=True, exist_ok=True)
    _wait_for_predecessor(folder)
    outcome = read_outcome(folder)
    if outcome is None:
        outcome = _train(job, site, folder)
        _write_outcome(folder, outcome)
    _remove_checkpoints(folder, site.keep_checkpoints)
    return outcome


def read_outcome(folder: Path) -> Outcome | None:
    """What came of the trial in this folder; None: nothing yet."""
    try:
        told = json.loads((folder / OUTCOME_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Outcome(**{**told, "curve": tuple(told["curve"])})


def _write_outcome(folder: Path, outcome: Outcome) -> None:
    unfinished = folder / f"{OUTCOME_FILE}.part"
    unfinished.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    unfinished.replace(folder / OUTCOME_FILE)


def _wait_for_predecessor(folder: Path) -> None:
    """A driver that was killed can leave a worker that still trains this very trial; what it does is not done twice."""
    while (folder / JOURNAL_FILE).is_file() and is_being_written(folder / JOURNAL_FILE):
        time.sleep(PAUSE)


def _train(job: Job, site: Site, folder: Path) -> Outcome:
    from cifar.checkpoints import Checkpoints

    run = read_tree(dict(job.trial.config))
    device, dataset = _prepared(run)
    settings = Settings(run, replace(site.tracking, run_name=_name(job.trial, run), log_model=False, note=None))
    checkpoints = Checkpoints(folder / CHECKPOINTS)
    with open_recorder(
        settings.tracking,
        folder,
        params=run_params(settings) | tracking_params(settings),
        tags=_tags(job.trial, site) | {"device": f"{device.kind}: {device.name}", "data.source": dataset.source},
        resume=_reference(folder),
    ) as recorder:
        _record_beginning(recorder, settings, dataset, folder)
        if job.origin is not None:
            _inherit(checkpoints, Checkpoints(site.folder(job.origin.number) / CHECKPOINTS), run, dataset)
        watch = _Watch(recorder, job.bars)
        pruned = _fit(run, dataset, watch, checkpoints)
        recorder.log_metrics(_results(watch.history), step=len(watch.history))
        recorder.set_tags({"sweep.pruned": pruned, "stop_reason": "pruned"} if pruned else {"stop_reason": "ended"})
        facts = {"run": recorder.reference, "run_id": recorder.run_id, "folder": f"{TRIALS}/{folder.name}"}
    sign = OBJECTIVES[job.bars.objective]
    return Outcome(sign * max(sign * value for value in watch.curve), tuple(watch.curve), pruned, facts)


def _prepared(run: RunConfig) -> tuple[Device, Dataset]:
    from cifar import compute

    return compute.prepare(run.compute), _dataset(run.data)


@lru_cache(maxsize=2)  # a space may search how many images there are
def _dataset(config: DataConfig) -> Dataset:
    """The images, loaded once by each worker."""
    from cifar.data import load_dataset

    return load_dataset(config)


@lru_cache(maxsize=1)
def _environment(command: tuple[str, ...]) -> dict[str, str]:
    return describe_environment(command)


def _name(trial: Trial, run: RunConfig) -> str:
    return f"{trial.number:04}-{run.model.name}-{run.optimizer.name}"


def _tags(trial: Trial, site: Site) -> dict[str, str]:
    tags = {"sweep": site.name, "sweep.trial": str(trial.number)}
    if trial.rung is not None:
        tags |= {f"sweep.{key}": str(value) for key, value in asdict(trial.rung).items() if value is not None}
    return _environment(site.command) | tags


def _reference(folder: Path) -> str | None:
    """What the recorder knows an earlier attempt by; None: there was none."""
    entries = read_journal(folder / JOURNAL_FILE)
    return REFERENCE + str(entries[0].facts["id"]) if entries else None


def _record_beginning(recorder: Recorder, settings: Settings, dataset: Dataset, folder: Path) -> None:
    """The configuration and what the trial sees: not the test images."""
    config = redact(OmegaConf.to_yaml(asdict(settings.run) | {"tracking": asdict(settings.tracking)}))
    write_config(folder, config)
    recorder.log_text(config, "config.yaml")
    for context, split in (("train", dataset.train), ("validation", dataset.validation)):
        assert split is not None, "a plan refuses what has no validation images"
        name = f"{settings.run.data.name}-{context}"
        recorder.log_dataset(
            split.images, split.labels, digest=dataset.digest, source=dataset.source, name=name, context=context
        )


def _inherit(checkpoints: Checkpoints, origin: Checkpoints, run: RunConfig, dataset: Dataset) -> None:
    """Go on from the newest state of the trial of the rung below, unless this one has a state of its own."""
    from cifar.snapshots import decisive_settings

    settings = decisive_settings(run)
    if checkpoints.load(settings, dataset.digest) is None and (found := origin.load(settings, dataset.digest)):
        checkpoints.save(found.snapshot)


def _fit(run: RunConfig, dataset: Dataset, watch: _Watch, checkpoints: Checkpoints) -> str | None:
    """Train; returns why it was pruned, if it was."""
    import keras

    from cifar.training import train

    try:
        train(run, dataset, watch, checkpoints)
    except PrunedError as reason:
        return str(reason)
    finally:
        keras.backend.clear_session()  # the worker has more trials before it
        gc.collect()
    return None


@dataclass
class _Watch:
    """Hands what the training tells on to the record, and ends it when the trial falls below its bars."""

    recorder: Recorder
    bars: Bars
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def curve(self) -> list[float]:
        """The objective after each epoch."""
        return [metrics[self.bars.objective] for metrics in self.history]

    def on_resume(self, history: list[dict[str, float]], warnings: list[str]) -> None:
        """Record the epochs that are done, those of a rung below among them, and judge the last of them."""
        for metrics in history:
            self._take(metrics)
        self._judge()

    def on_step(self, epoch: int, step: int) -> None: ...

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Record an epoch and judge it."""
        self._take(metrics)
        self._judge()

    def _take(self, metrics: dict[str, float]) -> None:
        self.history.append(metrics)
        self.recorder.log_epoch(len(self.history), metrics)

    def _judge(self) -> None:
        if reason := self.bars.verdict(self.curve):
            raise PrunedError(reason)


def _results(history: list[dict[str, float]]) -> dict[str, float]:
    """What the sweep's tables show of a trial, under the names that a run's results have."""
    accuracies = [metrics["val_accuracy"] for metrics in history]
    return {
        "best_val_accuracy": max(accuracies),
        "best_epoch": float(accuracies.index(max(accuracies)) + 1),
        "epochs_run": float(len(history)),
        "training_seconds": sum(metrics["seconds"] for metrics in history),
    }


def _remove_checkpoints(folder: Path, keep_newest: bool) -> None:
    """A trial that has ended is not gone on with, but from Hyperband's next rung."""
    if not keep_newest:
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
