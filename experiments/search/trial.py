"""One trial, in a worker process: a run like any other, but for the test images, which no trial sees."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cifar.config import RunConfig
from experiments.folders import write_config
from experiments.record import as_yaml, fingerprint, run_params, tracking_params
from experiments.schema import Settings
from experiments.search.config import OBJECTIVES
from experiments.search.final import run_final
from experiments.search.plan import read_tree
from experiments.search.process import cleared, engines, prepared, sweep_tags
from experiments.search.pruning import Bars
from experiments.search.records import SweepError, Trial
from experiments.search.reuse import twin_of
from experiments.search.site import Site, read_outcome, reference_in, wait_for_predecessor, write_outcome
from experiments.search.workers import Job, Outcome
from experiments.tracking.recorder import Recorder, open_recorder
from experiments.tracking.staging import CHECKPOINTS
from experiments.tracking.twins import CUT_SHORT_TAG, FINGERPRINT_TAG, Twin

if TYPE_CHECKING:
    from cifar.checkpoints import Checkpoints
    from cifar.data import Dataset


class PrunedError(Exception):
    """The trial stops early; says why."""


def run_trial(job: Job, site: Site) -> Outcome:
    """Train one trial, or final training, to its end, from its beginning or from where an earlier attempt left it.

    Asked again for one that has ended, it answers the same at once.

    Raises:
        SweepError: this machine does not see the sweep's folder.
        ConfigError, DataError, CheckpointError, TrackingError, TrainingDivergedError: see `execution.execute`.
    """
    folder = site.folder_of(job.trial)
    if not site.sweep.is_dir():
        raise SweepError(f"{site.sweep}: a worker does not see this folder; trials need one that all workers share")
    if Path.cwd() != site.home:  # of a cluster's worker
        os.chdir(site.home)
    folder.mkdir(parents=True, exist_ok=True)
    wait_for_predecessor(folder)
    outcome = read_outcome(folder)
    if outcome is None:
        outcome = (run_final if job.trial.of else _train)(job, site, folder)
        write_outcome(folder, outcome)
    if not site.keep_checkpoints or job.trial.of:  # only Hyperband's next rung goes on with what has ended
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return outcome


def _train(job: Job, site: Site, folder: Path) -> Outcome:
    from cifar.checkpoints import Checkpoints

    run = read_tree(dict(job.trial.config))
    device, dataset = prepared(run)
    settings = Settings(run, replace(site.tracking, run_name=_name(job.trial, run), log_model=False, note=None))
    checkpoints = Checkpoints(folder / CHECKPOINTS)
    identity = fingerprint(run, dataset.digest)
    about = {
        "device": f"{device.kind}: {device.name}",
        "data.source": dataset.source,
        "data.digest": dataset.digest,
        FINGERPRINT_TAG: identity,
    }
    with open_recorder(
        settings.tracking,
        folder,
        params=run_params(settings) | tracking_params(settings),
        tags=sweep_tags(job.trial, site) | about,
        resume=reference_in(folder),
    ) as recorder:
        _record_beginning(recorder, settings, dataset, folder)
        twin = twin_of(run, identity, recorder.store) if job.reuse else None
        if twin is not None and site.keep_checkpoints and not _take_over(checkpoints, twin, run, dataset):
            twin = None
        if twin is None and job.origin is not None:
            _inherit(checkpoints, Checkpoints(site.folder_of(job.origin) / CHECKPOINTS), run, dataset)
        watch = _Watch(recorder, job.bars)
        if twin is not None and not site.keep_checkpoints:
            pruned = _told_again(twin, watch)
        else:
            pruned = _fit(run, dataset, watch, checkpoints)
        recorder.log_metrics(_results(watch.history), step=len(watch.history))
        recorder.set_tags({CUT_SHORT_TAG: pruned, "stop_reason": "pruned"} if pruned else {"stop_reason": "ended"})
        facts = {"run": recorder.reference, "run_id": recorder.run_id, "folder": str(folder.relative_to(site.sweep))}
        if twin is not None and twin.run_id != recorder.run_id:  # not an attempt of its own, which died at the end
            recorder.set_tags({"reused_from": twin.run_id})
            facts["reused"] = twin.run_id
    sign = OBJECTIVES[job.bars.objective]
    return Outcome(sign * max(sign * value for value in watch.curve), tuple(watch.curve), pruned, facts)


def _name(trial: Trial, run: RunConfig) -> str:
    return f"{trial.number:04}-{run.model.name}-{run.optimizer.name}"


def _record_beginning(recorder: Recorder, settings: Settings, dataset: Dataset, folder: Path) -> None:
    """The configuration and what the trial sees: not the test images."""
    config = as_yaml(settings)
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


def _take_over(checkpoints: Checkpoints, twin: Twin, run: RunConfig, dataset: Dataset) -> bool:
    """Begin at the end of a twin, where that can be gone on from; what a later rung needs is its state."""
    from cifar.checkpoints import CheckpointError, Checkpoints
    from cifar.snapshots import decisive_settings

    if twin.folder is None:
        return False
    with suppress(CheckpointError, OSError):
        found = Checkpoints(twin.folder / CHECKPOINTS).load(decisive_settings(run), dataset.digest)
        if found is not None and found.snapshot.epoch == run.training.epochs:
            checkpoints.save(found.snapshot)
            return True
    return False


def _told_again(twin: Twin, watch: _Watch) -> str | None:
    """Record what a twin came to as if it were trained now; returns why it was pruned, if it was."""
    try:
        for epoch, metrics in enumerate(twin.history, start=1):
            watch.on_epoch(epoch, metrics)
    except PrunedError as reason:
        return str(reason)
    return None


def _fit(run: RunConfig, dataset: Dataset, watch: _Watch, checkpoints: Checkpoints) -> str | None:
    """Train; returns why it was pruned, if it was."""
    from cifar.training import train

    with cleared(), engines().lent(run, dataset.train) as engine:
        try:
            train(run, dataset, watch, checkpoints, engine)
        except PrunedError as reason:
            return str(reason)
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
        "best_val_loss": min(metrics["val_loss"] for metrics in history),
        "epochs_run": float(len(history)),
        "training_seconds": sum(metrics["seconds"] for metrics in history),
    }
