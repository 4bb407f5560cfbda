"""What the figures were measured on, and who else was using it."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Sequence
from importlib import metadata

import psutil

from cifar.compute import cpu_name

BUSY_CPU = 0.05
"""Share of all cores that others may use before a measurement starts."""
BUSY_LOAD = 0.25
"""Load average of one minute, per core, above which a measurement does not start."""
LOOK_SECONDS = 3.0

LIBRARIES = ("tensorflow", "keras", "numpy", "jax", "torch", "mlflow", "keras-tuner", "optuna", "distributed")


class BusyMachineError(RuntimeError):
    """Figures taken now would tell of others' work as well."""


def describe() -> dict[str, str | int | float]:
    """The machine, without names of users or hosts."""
    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "os": platform.platform(),
    }


def cores() -> int:
    """How many processors there are."""
    return os.cpu_count() or 1


def versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Python, and those of these libraries that are there."""
    found = {"python": platform.python_version()}
    for library in libraries:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[library] = metadata.version(library)
    return found


class Meter:
    """Tells how much of the machine others used since it was made: a share of all cores, from 0 to 1.

    Others are all processes but this one and its children, and, on a virtual machine, the neighbours.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._all, self._own = _busy_seconds(), _own_seconds()

    def others(self) -> float:
        """Their share so far."""
        seconds = time.perf_counter() - self._started
        theirs = (_busy_seconds() - self._all) - (_own_seconds() - self._own)
        return min(1.0, max(0.0, theirs / (seconds * cores())))


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    waiting = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user time already
    return sum(times) - waiting - guests


def _own_seconds() -> float:
    total = 0.0
    this = psutil.Process()
    for process in [this, *this.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])  # user and system, its own and of children that ended
    return total


def load() -> list[float]:
    """The load averages of 1, 5 and 15 minutes."""
    return [round(value, 2) for value in psutil.getloadavg()]


def look(seconds: float = LOOK_SECONDS) -> dict[str, float | list[float]]:
    """Sit still for a moment and see what others do."""
    meter = Meter()
    time.sleep(seconds)
    return {"load_average": load(), "others_cpu": round(meter.others(), 3)}


def refuse_if_busy(seen: dict[str, float | list[float]]) -> None:
    """Judge what `look` saw.

    Raises:
        BusyMachineError: others use the machine, or did a moment ago.
    """
    averages, others = seen["load_average"], seen["others_cpu"]
    assert isinstance(averages, list)
    assert isinstance(others, float)
    if others > BUSY_CPU or averages[0] > BUSY_LOAD * cores():
        raise BusyMachineError(
            f"the machine is busy: others use {others:.0%} of the processors (at most {BUSY_CPU:.0%}), the load "
            f"average is {averages[0]} (at most {BUSY_LOAD * cores():g}). Wait a minute, end what runs beside this, "
            "or say --busy-ok, which is written into the results"
        )
