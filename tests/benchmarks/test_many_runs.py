"""The made-up store is read as a recorded one."""

from __future__ import annotations

from pathlib import Path

from benchmarks.many_runs import EPOCH_METRICS, SEEDS, configuration, make
from cifar.fields import flatten
from experiments.results.boards import boards
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import read_curves, read_runs


def test_runs_have_the_settings_metrics_and_curves_of_recorded_ones(tmp_path: Path) -> None:
    path = make(tmp_path, runs=20, epochs=3)
    config = TrackingConfig(uri=f"sqlite:///{path}")
    runs = read_runs(config)
    assert len(runs) == 20
    assert runs[0].params.keys() == flatten(configuration(19)).keys()
    curves = read_curves(config, [run.run_id for run in runs], EPOCH_METRICS)
    assert {len(curve) for found in curves.values() for curve in found.values()} == {3}
    assert {len(found) for found in curves.values()} == {7}
    (board,) = boards(runs)
    assert [group.n for group in board.ranked] == [SEEDS] * 4
    assert {group.model for group in board.ranked} == {"model1", "model2", "model3"}


def test_ten_thousand_runs_differ() -> None:
    settings = [tuple(flatten(configuration(number)).items()) for number in range(0, 4500, 1)]
    assert len({*settings}) == len(settings)
