"""Whose curves a page shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.many_runs import fill
from experiments.results.boards import boards
from experiments.results.overview import look_at
from experiments.results.page.content import MOST_DRAWN, charts, chosen_for_curves, curves_of
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import read_runs
from tests.experiments.results.recorded import recorded


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> TrackingConfig:
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    shutil.copy(made_database, path)
    fill(path, runs=30, epochs=4)
    return TrackingConfig(uri=f"sqlite:///{path}")


def test_each_network_has_its_best_group_then_come_the_next_best() -> None:
    runs = [recorded(0.9 - n / 100, optimizer__learning_rate=n) for n in range(8)]
    last = recorded(0.1, model__name="model3")
    (board,) = boards([*runs, last])
    chosen = chosen_for_curves(board)
    assert len(chosen) == MOST_DRAWN
    assert [group.runs[0] for group in chosen] == [*runs[: MOST_DRAWN - 1], last]


def test_curves_are_means_over_the_seeds_of_a_group(store: TrackingConfig) -> None:
    (board,) = boards(read_runs(store))
    drawn = curves_of(board, store)
    assert len(drawn) == 6
    assert {len(curve) for group in drawn for curve in group.curves.values()} == {4}
    assert {group.n for group in drawn} == {5}


def test_a_page_has_the_charts_that_there_is_something_to_draw_for(store: TrackingConfig) -> None:
    found = charts(look_at(read_runs(store), store), [], store)
    assert list(found) == ["accuracy", "loss", "time", "parameters"]
    assert charts(look_at([], store), [], store) == {}
