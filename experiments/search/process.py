"""What a worker process keeps from one trial to the next, and what all of its trials say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING

from cifar.config import DataConfig, RunConfig
from experiments.search.records import Trial
from experiments.search.site import Site
from experiments.tracking.provenance import describe_environment

if TYPE_CHECKING:
    from cifar.compute import Device
    from cifar.data import Dataset
    from cifar.engines.kept import KeptEngines


def prepared(run: RunConfig) -> tuple[Device, Dataset]:
    """The device, set up once, and the images, loaded once by each worker.

    Raises:
        ConfigError, DataError: see `compute.prepare` and `load_dataset`.
    """
    from cifar import compute

    device = compute.prepare(run.compute)
    return device, _dataset(run.data)


@lru_cache(maxsize=2)  # a space may search how many images there are
def _dataset(config: DataConfig) -> Dataset:
    from cifar.data import load_dataset

    return load_dataset(config)


@lru_cache(maxsize=1)
def engines() -> KeptEngines:
    """Those of earlier trials, for the ones that have a network of the same shape."""
    from cifar.engines.kept import KeptEngines

    return KeptEngines()


@lru_cache(maxsize=1)
def _environment(command: tuple[str, ...]) -> dict[str, str]:
    return describe_environment(command)


def sweep_tags(trial: Trial, site: Site) -> dict[str, str]:
    """Where a trial comes from, and which one of its sweep it is."""
    tags = {"sweep": site.name, "sweep.final" if trial.of else "sweep.trial": str(trial.number)}
    if trial.of:
        tags["sweep.final_of"] = trial.of
    if trial.rung is not None:
        tags |= {f"sweep.{key}": str(value) for key, value in asdict(trial.rung).items() if value is not None}
    return _environment(site.command) | tags


@contextmanager
def cleared() -> Iterator[None]:
    """Let go of what Keras keeps of a network: the worker has more of them before it."""
    import keras

    try:
        yield
    finally:
        keras.backend.clear_session()  # and collects garbage
