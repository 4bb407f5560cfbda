"""How fast a network is: the arithmetic of an epoch, and a real measurement of a tiny network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cifar.config import ComputeConfig, Model1Config, RunConfig
from experiments import speed
from experiments.speed import Speed, busy, measure


def test_an_epoch_is_its_images_and_a_look_at_those_for_validation() -> None:
    assert Speed(training=4500.0, validation=5000.0).epoch(RunConfig()) == pytest.approx(10 + 1)


def test_a_network_is_timed_by_training_it(tensorflow_on_cpu: None) -> None:
    small = RunConfig(model=Model1Config(filters=2, dense_units=4), compute=ComputeConfig(device="cpu"))
    found = measure(small, seconds=0.2)
    assert found.training > 1000
    larger = measure(replace(small, model=Model1Config()), seconds=0.2)
    assert larger.training < found.training
    assert larger.validation > larger.training


@pytest.mark.parametrize(
    ("percent", "told"),
    [(50.0, "others use 50% of the processors at this moment: alone it is faster"), (25.0, None)],
)
def test_a_busy_machine_is_told(percent: float, told: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed.psutil, "cpu_percent", lambda interval: percent)
    assert busy() == told
