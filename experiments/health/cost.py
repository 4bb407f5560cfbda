"""What a run and a sweep will take on this machine: a part of an epoch of each network, timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from cifar.compute import Device, prepare
from cifar.config import MODELS, RunConfig
from experiments.commandline import check
from experiments.display import duration
from experiments.health.findings import Finding, Tell, note
from experiments.health.machine import gpu, has_nvidia

SECONDS = 3.0
"""So long each network trains, after a warm-up."""

BATCHES = 50
"""Of the made-up images, at a time."""

GPU_TIMES = 20
"""A GPU is through with so few images before it can be timed."""

AROUND_SECONDS = 13.0
"""Start and results of a run, which go beside its epochs: measured with model1 on two cores."""

SWEEP = 30
"""Runs of a sweep that is told about."""

BUSY = 0.25


@dataclass(frozen=True)
class Speed:
    """Images a second: trained, and looked at for validation."""

    training: float
    validation: float

    def epoch(self, run: RunConfig) -> float:
        """Seconds of an epoch with what follows it."""
        return run.data.train_images / self.training + run.data.validation_size / self.validation


class Trial:
    """The backend that runs use, started when it is first needed, which takes seconds."""

    def __init__(self) -> None:
        self._device: Device | None = None
        self._compute = _settings("model1").compute

    def gpu(self, tell: Tell, start: bool) -> Iterator[Finding]:
        """Whether a GPU is used; `start` the backend even if there is none."""
        if start or has_nvidia():
            tell(f"starting {self._compute.backend}")
            self._device = prepare(self._compute)
        used = self._device.name if self._device is not None and self._device.kind == "gpu" else None
        yield from gpu(used, self._compute.backend)

    def costs(self, tell: Tell) -> Iterator[Finding]:
        """A line for each network."""
        device = self._device or prepare(self._compute)
        busy = psutil.cpu_percent(interval=0.5) / 100
        if busy > BUSY:
            yield note(f"others use {busy:.0%} of the processors at this moment: alone it is faster")
        for name in MODELS:
            tell(f"timing {name}")
            run = _settings(name)
            yield note(told(name, run, measure(run, GPU_TIMES if device.kind == "gpu" else 1)))
        yield note(
            f"a run is {run.training.epochs} epochs of {run.data.train_images:,} images and {AROUND_SECONDS:.0f} s for "
            f"start and results; a sweep is {SWEEP} runs, one after another"
        )


def told(name: str, run: RunConfig, speed: Speed) -> str:
    """The cost of one network, in a line."""
    epoch = speed.epoch(run)
    whole = epoch * run.training.epochs + AROUND_SECONDS
    return (
        f"{name}: {speed.training:,.0f} images/s; an epoch {duration(epoch)}, a run {duration(whole)}, "
        f"a sweep {duration(whole * SWEEP)}"
    )


def measure(run: RunConfig, times: int = 1) -> Speed:
    """Trains on made-up images of the real shape for some seconds; `times`: so often as many at once."""
    import numpy as np

    from cifar.data import Split
    from cifar.engines import build_engine
    from cifar.sample import make_sample

    sample, count = make_sample(), BATCHES * run.training.batch_size * times
    choice = np.arange(count) % len(sample.train_labels)
    split = Split(sample.train_images[choice], sample.train_labels[choice])
    engine = build_engine(run, split)
    order = np.arange(count, dtype=np.int32)
    training = _rate(count, lambda: engine.run_epoch(order, lambda step: None), SECONDS)
    return Speed(training, _rate(count, lambda: engine.predict(split.images), SECONDS / 6))


def _rate(images: int, turn: Callable[[], object], seconds: float) -> float:
    """Images a second, of turns that go on for some seconds after a first one that does not count."""
    turn()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        turn()
        done += images
    return done / (time.perf_counter() - began)


def _settings(model: str) -> RunConfig:
    """What a run of this network is set to if nothing else is typed."""
    first = check([f"model={model}"]).first
    assert first is not None
    return first.run
