"""Which networks are timed, and how fast the others are told to be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from cifar.config import Model1Config, Model3Config, ModelConfig, RunConfig
from experiments.search import speeds
from experiments.search.speeds import EACH_SECONDS, MOST_SECONDS, Timed, ends, speed_at, time_networks
from experiments.search.timing import TimingError
from experiments.speed import Speed

SMALL, LARGE = Timed(10, Speed(100.0, 1000.0)), Timed(30, Speed(50.0, 250.0))


def run_of(model: ModelConfig, dropout: float = 0.5) -> RunConfig:
    return replace(RunConfig(), model=replace(model, dropout_rate=dropout))


ONE, DEEP, WIDE = (run_of(model) for model in (Model1Config(), Model3Config(depth=3), Model3Config(filters=64)))
SHALLOW = run_of(Model3Config(), dropout=0.1)
RUNS = [DEEP, ONE, run_of(Model3Config(), dropout=0.3), WIDE, SHALLOW, ONE]


class Watches:
    """Stopwatches that take no time: 1,000,000 multiply-adds a second; `patience` runs out after so many networks."""

    def __init__(self, until: int = 100) -> None:
        self.until, self.asked = until, list[tuple[str, float]]()

    def work(self, models: list[ModelConfig]) -> list[int]:
        return [model.filters * getattr(model, "depth", 1) for model in models]

    def speed(self, run: RunConfig, work: int, seconds: float, patience: float) -> Speed:
        assert patience <= MOST_SECONDS
        if len(self.asked) == self.until:
            raise TimingError("it takes longer")
        self.asked.append((run.model.name, seconds))
        return Speed(1e6 / work, 5e6 / work)


@pytest.fixture
def watches(monkeypatch: pytest.MonkeyPatch) -> Watches:
    made = Watches()

    @contextmanager
    def stopwatches(*arguments: Any) -> Iterator[Watches]:
        yield made

    monkeypatch.setattr(speeds, "stopwatches", stopwatches)
    return made


def test_seconds_per_image_are_linear_in_work_between_two_networks_and_in_proportion_beyond() -> None:
    both = [SMALL, LARGE]
    assert speed_at(both, 10) == SMALL.speed
    assert speed_at(both, 30) == LARGE.speed
    half = speed_at(both, 20)
    assert (1 / half.training, 1 / half.validation) == (pytest.approx(0.015), pytest.approx(0.0025))
    assert speed_at(both, 60) == Speed(25.0, 125.0)
    assert speed_at(both, 5) == Speed(200.0, 2000.0)
    assert speed_at([SMALL], 10) == SMALL.speed


def test_of_each_network_the_least_and_the_most_work_are_timed(watches: Watches) -> None:
    told: list[str] = []
    found = time_networks(RUNS, 2, ONE.compute, told.append)
    assert told == ["timing model1", "timing model3", "timing model3"]
    assert watches.asked == [("model1", EACH_SECONDS), ("model3", EACH_SECONDS), ("model3", EACH_SECONDS)]
    assert {name: [item.work for item in timed] for name, timed in found.timed.items()} == {
        "model1": [32],
        "model3": [32, 96],
    }
    assert found.of(WIDE).training == pytest.approx(1e6 / 64)
    works = {model: work for model, work in found.works.items() if model.name == "model3"}
    assert sorted(works.values()) == [32, 64, 96], "a dropout rate is no network of its own"
    assert [run.model.name for run in ends([ONE, ONE], found.works)] == ["model1"]


def test_where_time_runs_out_the_rest_is_told_by_its_work(watches: Watches) -> None:
    watches.until = 1
    found = time_networks(RUNS, 2, ONE.compute, lambda doing: None)
    assert [*found.timed] == ["model1"]
    assert found.of(DEEP).training == pytest.approx(1e6 / 96)
    watches.until, watches.asked = 0, []
    with pytest.raises(TimingError):
        time_networks(RUNS, 2, ONE.compute, lambda doing: None)
