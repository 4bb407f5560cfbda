"""Runs that a person names by a word: the best, the latest, the champion."""

from __future__ import annotations

import math
from collections.abc import Iterable

from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import RecordedRun, read_runs
from experiments.tracking.service import TrackingError, one_line_errors
from experiments.tracking.store import open_to_read

WORDS = ("best", "latest", "champion")

REGISTERED = "cifar10"
"""The name under which networks are registered in MLflow."""

CHAMPION = "champion"
"""The alias of the registered network that nothing better was found than."""

REAL = "cifar10"
"""The data set of the runs that `best` means, unless there are none: made-up images are easy."""


class NoSuchRunError(TrackingError):
    """There is no run that the word could mean."""


def run_id_of(word: str, config: TrackingConfig, having: str | None = None) -> str:
    """MLflow's id of the run that one of the WORDS means in a store.

    `best`: of the finished trainings the one whose weights have the best validation accuracy; `latest`: the training
    that began last; `champion`: the one whose network has this alias in the registry.

    Args:
        word: which.
        config: names the store.
        having: a tag that the run has to have.

    Raises:
        TrackingError: there is no such run, or the store cannot be used.
    """
    if word == "champion":
        return _champion(config)
    runs = [run for run in trainings(read_runs(config)) if having is None or having in run.tags]
    chosen = latest(runs) if word == "latest" else best(runs)
    if chosen is None:
        kind = "finished training with validation images" if word == "best" else "training"
        kept = " that kept its network" if having else ""
        raise NoSuchRunError(f"run {word}: there is no {kind}{kept} yet. Make one: python -m experiments.run")
    return chosen.run_id


def trainings(runs: Iterable[RecordedRun]) -> list[RecordedRun]:
    """Those that trained one network: no parents of sweeps and multiruns, nothing of other projects."""
    runs = list(runs)
    parents = {run.parent for run in runs}
    return [
        run
        for run in runs
        if run.run_id not in parents and "model.name" in run.params and "sweep.space" not in run.params
    ]


def latest(runs: Iterable[RecordedRun]) -> RecordedRun | None:
    """The one that began last."""
    return max(runs, key=lambda run: run.began, default=None)


def best(runs: Iterable[RecordedRun]) -> RecordedRun | None:
    """The finished one whose weights validate best, on real images where there are such; of equals the first."""
    scored = [run for run in runs if run.status == "FINISHED" and math.isfinite(run.kept_validation)]
    real = [run for run in scored if run.params.get("data.name") == REAL]
    return max(real or scored, key=lambda run: (run.kept_validation, -run.began), default=None)


def _champion(config: TrackingConfig) -> str:
    from mlflow.exceptions import MlflowException

    store = open_to_read(config)
    try:
        with one_line_errors("the registry cannot be read"):
            return str(store.client.get_model_version_by_alias(REGISTERED, CHAMPION).run_id)
    except TrackingError as error:
        cause = error.__cause__
        if isinstance(cause, MlflowException) and cause.error_code in (
            "RESOURCE_DOES_NOT_EXIST",
            "INVALID_PARAMETER_VALUE",
        ):
            raise NoSuchRunError(
                f"run champion: no network is the champion of {REGISTERED} yet. To make one: "
                "python -m experiments.promote RUN"
            ) from None
        raise
