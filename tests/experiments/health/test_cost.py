"""What runs will cost, in words."""

from __future__ import annotations

import pytest

from cifar.compute import Device
from cifar.config import MODELS, RunConfig
from experiments.health import cost
from experiments.health.cost import Trial, told
from experiments.health.findings import Level
from experiments.speed import Speed


def test_the_cost_of_a_run_is_that_of_its_epochs_and_what_is_around_them() -> None:
    run = RunConfig()
    speed = Speed(training=4500.0, validation=5000.0)
    assert told("model1", run, speed) == ("model1: 4,500 images/s; an epoch 11 s, a run 3 min 3 s, a sweep 1 h 31 min")


def test_each_network_has_a_line_and_a_busy_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "prepare", lambda config: Device("gpu", "H200"))
    monkeypatch.setattr(cost, "measure", lambda run, batches: Speed(batches * 2, 1000))
    monkeypatch.setattr(cost, "busy", lambda: "others use 50% of the processors")
    trial, doing = Trial(), list[str]()
    assert [found.text for found in trial.gpu(doing.append, start=True)] == ["tensorflow uses H200"]
    found = list(trial.costs(doing.append))
    assert [item.level for item in found] == [Level.NOTE] * 5
    assert found[0].text == "others use 50% of the processors"
    assert [item.text.partition(":")[0] for item in found[1:4]] == list(MODELS)
    assert found[1].text.startswith("model1: 2,000 images/s; an epoch 28 s"), "a GPU is timed with more images"
    assert doing == ["starting tensorflow", *(f"timing {name}" for name in MODELS)]


def test_the_backend_is_not_started_for_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "has_nvidia", lambda: False)
    monkeypatch.setattr(cost, "prepare", lambda config: pytest.fail("seconds of imports"))
    (found,) = Trial().gpu(lambda doing: None, start=False)
    assert found.level is Level.NOTE
