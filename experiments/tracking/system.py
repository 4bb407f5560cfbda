"""How busy the machine was: sampled beside the training, under the names that MLflow's System metrics tab shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple

import psutil

PATIENCE_SECONDS = 2.0
"""How long a run waits for a look at the machine. A GPU's driver that hangs answers never."""


class Sample(NamedTuple):
    """The machine at one moment: milliseconds since 1970, number of the sample from 0, values by metric name."""

    timestamp: int
    step: int
    values: Mapping[str, float]


class SystemSampler:
    """A thread that looks at the machine every `seconds`; `drain()` hands over what it saw.

    It never talks to MLflow: the thread that trains records the samples, at the end of an epoch.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()  # of the samples
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self._samples: list[Sample] = []
        self._taken = 0
        self._hangs = False  # the look that is under way; nobody waits for another one meanwhile
        self._cpu = _or_none(psutil.cpu_times)
        self._network = _or_none(psutil.net_io_counters)
        self._gpus: list[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="system-metrics", daemon=True)

    def __enter__(self) -> SystemSampler:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)

    def drain(self) -> list[Sample]:
        """The samples since the last call; one of this moment if there was none, so that a short run has some."""
        if not self._samples and not self._hangs:
            look = threading.Thread(target=self._look, name="system-metrics-now", daemon=True)
            look.start()
            look.join(PATIENCE_SECONDS)
            self._hangs = self._hangs or look.is_alive()
        with self._lock:
            samples, self._samples = self._samples, []
        return samples

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._look()

    def _look(self) -> None:
        if not self._looking.acquire(timeout=PATIENCE_SECONDS):
            self._hangs = True
            return
        try:
            self._take()
            self._hangs = False
        finally:
            self._looking.release()

    def _take(self) -> None:
        if self._gpus is None:
            self._gpus = _gpu_handles()
        readings = (self._processor, _memory, _disk, self._traffic)
        values = {name: value for reading in readings for name, value in (_or_none(reading) or {}).items()}
        values |= _gpu_values(self._gpus)
        named = {f"system/{name}": round(value, 1) for name, value in values.items()}
        with self._lock:
            self._samples.append(Sample(time.time_ns() // 1_000_000, self._taken, named))
        self._taken += 1

    def _processor(self) -> dict[str, float]:
        # not psutil.cpu_percent(): it counts from the last call of the same thread, and two threads sample here
        before, self._cpu = self._cpu, psutil.cpu_times()
        return {"cpu_utilization_percentage": _busy_percentage(before, self._cpu)} if before is not None else {}

    def _traffic(self) -> dict[str, float]:
        before, now = self._network, psutil.net_io_counters()
        if before is None or now is None:  # no network interface at all
            return {}
        return {
            "network_receive_megabytes": (now.bytes_recv - before.bytes_recv) / 1e6,
            "network_transmit_megabytes": (now.bytes_sent - before.bytes_sent) / 1e6,
        }


def _memory() -> dict[str, float]:
    memory = psutil.virtual_memory()
    return {
        "system_memory_usage_megabytes": memory.used / 1e6,
        "system_memory_usage_percentage": memory.used / memory.total * 100,
    }


def _disk() -> dict[str, float]:
    disk = psutil.disk_usage("/")
    return {
        "disk_usage_percentage": disk.percent,
        "disk_usage_megabytes": disk.used / 1e6,
        "disk_available_megabytes": disk.free / 1e6,
    }


def _or_none(reading: Callable[[], Any]) -> Any:
    """What a reading gives; None where a machine does not offer it, which must cost neither the others nor the run."""
    try:
        return reading()
    except Exception:
        return None


def _busy_percentage(before: Any, now: Any) -> float:
    # guest time is counted in user time as well
    spent = {name: getattr(now, name) - getattr(before, name) for name in now._fields if "guest" not in name}
    total = sum(spent.values())
    idle = spent["idle"] + spent.get("iowait", 0.0)
    return min(100.0, max(0.0, 100 * (1 - idle / total))) if total > 0 else 0.0


def _gpu_handles() -> list[Any]:
    try:
        import pynvml

        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # no library, no driver, no GPU: there is nothing to sample
        return []


def _gpu_values(handles: list[Any]) -> dict[str, float]:
    values: dict[str, float] = {}
    for index, handle in enumerate(handles):
        for reading in (_gpu_memory, _gpu_utilization, _gpu_power):
            found = _or_none(partial(reading, handle)) or {}
            values |= {f"gpu_{index}_{name}": value for name, value in found.items()}
    return values


def _gpu_memory(handle: Any) -> dict[str, float]:
    import pynvml

    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {
        "memory_usage_percentage": memory.used / memory.total * 100,
        "memory_usage_megabytes": memory.used / 1e6,
    }


def _gpu_utilization(handle: Any) -> dict[str, float]:
    import pynvml

    return {"utilization_percentage": float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)}


def _gpu_power(handle: Any) -> dict[str, float]:
    import pynvml

    watts = pynvml.nvmlDeviceGetPowerUsage(handle) / 1000
    limit = pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
    return {"power_usage_watts": watts, "power_usage_percentage": watts / limit * 100}
