from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace

import pytest

from experiments.tracking import system
from experiments.tracking.system import SystemSampler


def values_now() -> dict[str, float]:
    (sample,) = SystemSampler().drain()
    return dict(sample.values)


def test_the_names_are_those_that_mlflow_shows() -> None:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    names = set()
    for monitor in (CPUMonitor(), DiskMonitor(), NetworkMonitor()):
        monitor.collect_metrics()
        names |= {f"system/{name}" for name in monitor.aggregate_metrics()}
    assert {name for name in values_now() if "gpu" not in name} == names


def test_a_busy_processor_is_seen() -> None:
    sampler = SystemSampler()
    until = time.perf_counter() + 0.2
    while time.perf_counter() < until:
        pass
    (sample,) = sampler.drain()
    assert 10 < sample.values["system/cpu_utilization_percentage"] <= 100
    assert 0 < sample.values["system/system_memory_usage_percentage"] < 100


def test_samples_are_handed_over_once_and_counted_on() -> None:
    with SystemSampler(seconds=0.02) as sampler:
        time.sleep(0.2)
        first = sampler.drain()
        time.sleep(0.1)
        second = sampler.drain()
    steps = [sample.step for sample in first + second]
    assert len(first) >= 2
    assert second
    assert steps == list(range(len(steps)))
    assert first[-1].timestamp <= second[0].timestamp <= time.time() * 1000


def test_a_run_shorter_than_the_interval_has_a_sample() -> None:
    with SystemSampler(seconds=60) as sampler:
        assert len(sampler.drain()) == 1


def test_a_driver_that_hangs_holds_up_neither_an_epoch_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "PATIENCE_SECONDS", 0.5)
    hangs, answers = threading.Event(), threading.Event()

    def hang() -> list[object]:
        hangs.set()
        answers.wait(60)
        return []

    monkeypatch.setattr(system, "_gpu_handles", hang)
    with SystemSampler(seconds=0.02) as sampler:
        assert hangs.wait(10)
        began = time.monotonic()
        assert [sampler.drain() for epoch in range(20)] == [[]] * 20
    assert time.monotonic() - began < 5, "it is waited for once, and once more in the end"
    answers.set()


def test_a_driver_that_answers_again_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "PATIENCE_SECONDS", 0.1)
    answers = threading.Event()

    def hang() -> list[object]:
        answers.wait(60)
        return []

    monkeypatch.setattr(system, "_gpu_handles", hang)
    sampler = SystemSampler()
    assert sampler.drain() == []
    answers.set()
    while not (samples := sampler.drain()):
        time.sleep(0.02)
    assert samples[0].step == 0


def test_a_gpu_is_read_under_mlflows_names_and_a_missing_reading_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_power(handle: object) -> int:
        raise RuntimeError("not supported")

    library = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=2e9, total=8e9),
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=70 + handle),
        nvmlDeviceGetPowerUsage=no_power,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    assert {name: value for name, value in values_now().items() if "gpu" in name} == {
        "system/gpu_0_memory_usage_percentage": 25.0,
        "system/gpu_0_memory_usage_megabytes": 2000.0,
        "system/gpu_0_utilization_percentage": 70.0,
        "system/gpu_1_memory_usage_percentage": 25.0,
        "system/gpu_1_memory_usage_megabytes": 2000.0,
        "system/gpu_1_utilization_percentage": 71.0,
    }


def test_a_machine_without_the_gpu_library_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert not [name for name in values_now() if "gpu" in name]


@pytest.mark.parametrize(
    ("missing", "name"),
    [("net_io_counters", "network_"), ("disk_usage", "disk_"), ("virtual_memory", "memory"), ("cpu_times", "cpu_")],
)
def test_a_reading_that_a_machine_does_not_allow_costs_neither_the_others_nor_the_run(
    monkeypatch: pytest.MonkeyPatch, missing: str, name: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(f"psutil.{missing}", refuse)
    values = values_now()
    assert [found for found in values if name in found and "gpu" not in found] == []
    assert len(values) >= 4
