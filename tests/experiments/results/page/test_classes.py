"""Which run stands for its network, and what it tells apart."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cifar.evaluation import evaluate, save_predictions
from experiments.results.boards import boards
from experiments.results.page.classes import Classes, Seen, best_seen
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import RecordedRun
from tests.experiments.results.recorded import recorded


def answering(run: RecordedRun, folder: Path, predicted: list[int], labels: list[int]) -> RecordedRun:
    """The run with stored predictions."""
    place = folder / run.run_id
    (place / "predictions").mkdir(parents=True)
    save_predictions(place / "predictions" / "test_predictions.npz", evaluate(np.eye(10)[predicted], labels))
    return replace(run, artifact_uri=str(place))


@pytest.fixture
def config(tmp_path: Path) -> TrackingConfig:
    return TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db")


def test_the_best_by_validation_that_kept_its_answers_stands_for_its_network(
    tmp_path: Path, config: TrackingConfig
) -> None:
    best = replace(recorded(0.9), artifact_uri=str(tmp_path / "nothing"))
    second = answering(recorded(0.8, optimizer__name="adam"), tmp_path, [0], [0])
    third = answering(recorded(0.7, optimizer__name="lion"), tmp_path, [0], [0])
    other = answering(recorded(0.1, model__name="model2"), tmp_path, [0], [0])
    seen = best_seen(boards([third, best, other, second]), config).seen
    assert [item.run.run_id for item in seen] == [second.run_id, other.run_id]


def test_without_validation_the_newest_run_counts(tmp_path: Path, config: TrackingConfig) -> None:
    old = answering(recorded(None, 0.9, began=1), tmp_path, [0], [0])
    new = answering(recorded(None, 0.1, began=2, seed=1), tmp_path, [0], [0])
    assert [item.run.run_id for item in best_seen(boards([old, new]), config).seen] == [new.run_id]


def test_damaged_answers_are_passed_over(tmp_path: Path, config: TrackingConfig) -> None:
    damaged = answering(recorded(0.9), tmp_path, [0], [0])
    (tmp_path / damaged.run_id / "predictions" / "test_predictions.npz").write_bytes(b"no archive")
    whole = answering(recorded(0.8, seed=1), tmp_path, [0], [0])
    assert [item.run.run_id for item in best_seen(boards([damaged, whole]), config).seen] == [whole.run_id]
    assert best_seen([], config) == Classes()


def test_answers_that_a_server_does_not_give_out_are_not_said_to_be_missing(config: TrackingConfig) -> None:
    served = replace(recorded(0.9), artifact_uri="mlflow-artifacts:/1/a/artifacts")
    found = best_seen(boards([served]), config)
    assert found.seen == []
    assert found.missing.endswith("its files are kept by a server of MLflow's. Ask that: --uri http://HOST:5000")


def test_classes_stand_in_the_order_of_how_well_they_are_recognised() -> None:
    answers = evaluate(np.eye(10)[[0, 8, 8, 1]], [0, 0, 0, 1])
    worst, best = Seen(recorded(), answers).scores
    assert (worst.name, worst.n, worst.recall, worst.precision, worst.taken_for) == (
        "airplane",
        3,
        pytest.approx(1 / 3),
        1.0,
        "ship (2)",
    )
    assert (best.name, best.recall, best.taken_for) == ("automobile", 1.0, "")


def test_a_class_that_was_never_said_has_no_precision() -> None:
    (only,) = Seen(recorded(), evaluate(np.eye(10)[[1]], [0])).scores
    assert (only.recall, math.isnan(only.precision)) == (0.0, True)
