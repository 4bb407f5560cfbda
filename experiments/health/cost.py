"""What a run and a sweep will take on this machine: a part of an epoch of each network, timed."""

from __future__ import annotations

from collections.abc import Iterator

from cifar.compute import Device, prepare
from cifar.config import MODELS, RunConfig
from experiments.commandline import check
from experiments.display import duration
from experiments.health.findings import Finding, Tell, note
from experiments.health.machine import gpu, has_nvidia
from experiments.speed import BATCHES, Speed, busy, measure

AROUND_SECONDS = 18.0
"""Start and results of a run, which go beside its epochs: see benchmarks/results/startup.md."""

SWEEP = 30
"""Runs of a sweep that is told about."""


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
        if others := busy():
            yield note(others)
        for name in MODELS:
            tell(f"timing {name}")
            run = _settings(name)
            yield note(told(name, run, measure(run, BATCHES[device.kind])))
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


def _settings(model: str) -> RunConfig:
    """What a run of this network is set to if nothing else is typed."""
    first = check([f"model={model}"]).first
    assert first is not None
    return first.run
