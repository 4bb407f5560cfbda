"""What runs will cost: the arithmetic, and a real measurement of a tiny network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cifar.compute import Device
from cifar.config import MODELS, ComputeConfig, Model1Config, RunConfig
from experiments.health import cost
from experiments.health.cost import Speed, Trial, measure, told
from experiments.health.findings import Level


def test_the_cost_of_a_run_is_that_of_its_epochs_and_what_is_around_them() -> None:
    run = RunConfig()
    speed = Speed(training=4500.0, validation=5000.0)
    assert speed.epoch(run) == pytest.approx(10 + 1)
    assert told("model1", run, speed) == ("model1: 4,500 images/s; an epoch 11 s, a run 2 min 58 s, a sweep 1 h 29 min")


def test_a_network_is_timed_by_training_it(tensorflow_on_cpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.2)
    small = RunConfig(model=Model1Config(filters=2, dense_units=4), compute=ComputeConfig(device="cpu"))
    speed = measure(small)
    assert speed.training > 1000
    assert speed.validation > speed.training
    larger = measure(replace(small, model=Model1Config()))
    assert larger.training < speed.training


def test_each_network_has_a_line_and_a_busy_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "prepare", lambda config: Device("gpu", "H200"))
    monkeypatch.setattr(cost, "measure", lambda run, times: Speed(times * 100, 1000))
    monkeypatch.setattr(cost.psutil, "cpu_percent", lambda interval: 50.0)
    trial, doing = Trial(), list[str]()
    assert [found.text for found in trial.gpu(doing.append, start=True)] == ["tensorflow uses H200"]
    found = list(trial.costs(doing.append))
    assert [item.level for item in found] == [Level.NOTE] * 5
    assert found[0].text == "others use 50% of the processors at this moment: alone it is faster"
    assert [item.text.partition(":")[0] for item in found[1:4]] == list(MODELS)
    assert found[1].text.startswith("model1: 2,000 images/s; an epoch 28 s"), "a GPU is timed with more images"
    assert doing == ["starting tensorflow", *(f"timing {name}" for name in MODELS)]


def test_the_backend_is_not_started_for_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "has_nvidia", lambda: False)
    monkeypatch.setattr(cost, "prepare", lambda config: pytest.fail("seconds of imports"))
    (found,) = Trial().gpu(lambda doing: None, start=False)
    assert found.level is Level.NOTE
