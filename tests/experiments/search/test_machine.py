from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from experiments.search import machine
from experiments.search.config import WorkersConfig
from experiments.search.machine import count_workers, free_memory, gpus


def test_there_is_a_worker_for_each_gpu_or_else_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CGROUPS", ())
    monkeypatch.setattr("cifar.compute._CPU_QUOTAS", ())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert gpus("auto") == ["0", "2"]
    assert count_workers(WorkersConfig(), "auto") == 2
    assert gpus("cpu") == []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2}, raising=False)
    assert count_workers(WorkersConfig(), "cpu") == 3
    monkeypatch.setattr(machine, "WORKER_BYTES", psutil.virtual_memory().total / 1.5)
    assert count_workers(WorkersConfig(), "cpu") == 1
    assert count_workers(WorkersConfig(count=5), "cpu") == 5


def test_the_limit_of_a_container_counts_as_its_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("4000000000\n")
    (tmp_path / "none").write_text("max\n")
    monkeypatch.setattr(machine, "_CGROUPS", (tmp_path / "limit", tmp_path / "none", tmp_path / "missing"))
    assert free_memory()[1] == min(4_000_000_000, psutil.virtual_memory().total)
    monkeypatch.setattr(machine, "cores", lambda: 64)
    assert count_workers(WorkersConfig(), "cpu") == 2
