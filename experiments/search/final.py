"""One of the trainings that a sweep ends with, in a worker process: a run like any other, scored on the test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from experiments.execution import Place, execute
from experiments.folders import write_config
from experiments.record import as_yaml, fingerprint, run_params, tracking_params
from experiments.schema import Settings
from experiments.search.finals import SCORE
from experiments.search.plan import read_tree
from experiments.search.process import cleared, engines, prepared, sweep_tags
from experiments.search.reuse import twin_of
from experiments.search.site import Site, reference_in
from experiments.search.workers import Job, Outcome
from experiments.tracking.recorder import open_recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.store import existing_store
from experiments.tracking.twins import Twin

if TYPE_CHECKING:
    from cifar.data import Dataset

KEPT = (SCORE, "test_loss", "best_val_accuracy", "best_epoch", "epochs_run", "training_seconds", "parameters")
"""The results that a sweep's ledger keeps of it."""


def run_final(job: Job, site: Site, folder: Path) -> Outcome:
    """Train on one seed and score the network on the test images, once; an equal run that was scored is not repeated.

    Raises:
        ConfigError, DataError, CheckpointError, TrackingError, TrainingDivergedError: see `execution.execute`.
    """
    run = read_tree(dict(job.trial.config))
    name = f"{job.trial.of}-{run.model.name}-{run.optimizer.name}-seed{run.seed}"
    settings = Settings(run, replace(site.tracking, run_name=name, note=None))
    tags = sweep_tags(job.trial, site)
    facts: dict[str, Any] = {"folder": str(folder.relative_to(site.sweep))}
    _, dataset = prepared(run)
    twin = _twin(settings, dataset) if job.reuse else None
    if twin is not None:
        metrics, run_id = _taken_over(twin, settings, folder, tags)
        if twin.run_id != run_id:  # not an attempt of its own, which died when all was done
            facts["reused"] = twin.run_id
    else:
        config = as_yaml(settings)
        write_config(folder, config)
        place = Place(folder, Console(quiet=True), live=False)
        with cleared(), engines().lent(run, dataset.train) as engine:
            result = execute(settings, config, place, reference_in(folder), tags, dataset, engine)
        metrics, run_id = result.metrics, result.run_id
    facts |= {"run_id": run_id} | {name: metrics[name] for name in KEPT if name in metrics}
    return Outcome(metrics[job.bars.objective], facts=facts)


def _twin(settings: Settings, dataset: Dataset) -> Twin | None:
    try:
        store = existing_store(settings.tracking)
    except TrackingError:  # whoever records will say so
        return None
    return twin_of(settings.run, fingerprint(settings.run, dataset.digest), store, having=SCORE)


def _taken_over(twin: Twin, settings: Settings, folder: Path, tags: dict[str, str]) -> tuple[Mapping[str, float], str]:
    """Record a run of its own that says what its twin came to; its pictures and its network are the twin's."""
    best = max(twin.history, key=lambda metrics: metrics["val_accuracy"])
    results = {name: twin.results[name] for name in KEPT if name in twin.results}
    params = run_params(settings) | tracking_params(settings)
    with open_recorder(settings.tracking, folder, params=params, tags=tags, resume=reference_in(folder)) as recorder:
        if twin.run_id != recorder.run_id:
            recorder.set_tags({"reused_from": twin.run_id})
        for epoch, metrics in enumerate(twin.history, start=1):
            recorder.log_epoch(epoch, metrics)
        recorder.log_metrics(results, step=len(twin.history))
    return best | results, recorder.run_id
