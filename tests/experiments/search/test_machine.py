from __future__ import annotations

import os

import psutil
import pytest

from experiments.search import machine
from experiments.search.config import WorkersConfig
from experiments.search.machine import count_workers, gpus


def test_there_is_a_worker_for_each_gpu_or_else_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert gpus("auto") == ["0", "2"]
    assert count_workers(WorkersConfig(), "auto") == 2
    assert gpus("cpu") == []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2}, raising=False)
    assert count_workers(WorkersConfig(), "cpu") == 3
    monkeypatch.setattr(machine, "WORKER_BYTES", psutil.virtual_memory().total / 1.5)
    assert count_workers(WorkersConfig(), "cpu") == 1
    assert count_workers(WorkersConfig(count=5), "cpu") == 5
