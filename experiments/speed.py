"""How fast a network trains here: a part of an epoch, timed on made-up images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from cifar.config import RunConfig

SECONDS = 3.0
"""So long each network trains, after a warm-up."""

BATCHES = {"cpu": 50, "gpu": 1000}
"""Of the made-up images, at a time, by the kind of device: a GPU is through with few before it can be timed."""

BUSY = 0.25


@dataclass(frozen=True)
class Speed:
    """Images a second: trained, and looked at for validation."""

    training: float
    validation: float

    def epoch(self, run: RunConfig) -> float:
        """Seconds of an epoch with what follows it."""
        return run.data.train_images / self.training + run.data.validation_size / self.validation


def measure(run: RunConfig, batches: int = BATCHES["cpu"], seconds: float = SECONDS) -> Speed:
    """Trains for some seconds on made-up images of the real shape, so many batches at a time."""
    import numpy as np

    from cifar.data import Split
    from cifar.engines import build_engine
    from cifar.sample import make_sample

    sample, count = make_sample(), batches * run.training.batch_size
    choice = np.arange(count) % len(sample.train_labels)
    split = Split(sample.train_images[choice], sample.train_labels[choice])
    engine = build_engine(run, split)
    order = np.arange(count, dtype=np.int32)
    training = _rate(count, lambda: engine.run_epoch(order, lambda step: None), seconds)
    return Speed(training, _rate(count, lambda: engine.predict(split.images), seconds / 6))


def busy() -> str | None:
    """What others take of the processors at this moment, in words; None if it is hardly anything."""
    share = psutil.cpu_percent(interval=0.5) / 100
    return f"others use {share:.0%} of the processors at this moment: alone it is faster" if share > BUSY else None


def _rate(images: int, turn: Callable[[], object], seconds: float) -> float:
    """Images a second, of turns that go on for some seconds after a first one that does not count."""
    turn()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        turn()
        done += images
    return done / (time.perf_counter() - began)
