"""Real processes that time a tiny network, two at a time, and one that cannot."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from math import isfinite

import pytest

from cifar.config import SGD, ComputeConfig, Model1Config, RunConfig
from experiments.search.timing import TimingError, stopwatches

ONE_CORE = ComputeConfig(device="cpu", threads=1)


def test_processes_time_a_network_together_and_are_gone_afterwards() -> None:
    model = Model1Config(filters=2, dense_units=4)
    work = 16 * 16 * 25 * 3 * 2 + 6 * 6 * 25 * 2 * 2 + 3 * 3 * 2 * 4 + 4 * 10
    wild = replace(RunConfig(), model=model, optimizer=SGD(learning_rate=100.0), compute=ONE_CORE)
    with stopwatches(2, ONE_CORE) as watches:
        assert watches.work([model]) == [work]
        found = watches.speed(wild, work, seconds=0.2, patience=60)
        assert isfinite(found.training)
        assert 0 < found.training < found.validation
        with pytest.raises(TimingError, match="it takes longer than 0 s"):
            watches.speed(wild, work, seconds=0.2, patience=0)
        for process in multiprocessing.active_children():
            process.kill()
        with pytest.raises(TimingError, match="died"):
            watches.speed(wild, work, seconds=0.2, patience=60)
    assert multiprocessing.active_children() == []


def test_what_cannot_be_used_here_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    absent = ComputeConfig(device="gpu")
    with stopwatches(1, absent) as watches, pytest.raises(TimingError, match=r"compute\.device=gpu: expected a GPU"):
        watches.work([Model1Config()])
