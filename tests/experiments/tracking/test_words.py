"""Which runs are meant by best, latest and champion."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.tracking.config import TrackingConfig
from experiments.tracking.finding import find
from experiments.tracking.reading import RecordedRun
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store
from experiments.tracking.words import best, latest, trainings

HERE = TrackingConfig()


def run(number: int, score: float | None = None, data: str = "cifar10", **about: Any) -> RecordedRun:
    given: dict[str, Any] = {
        "name": f"run {number}",
        "status": "FINISHED",
        "experiment": "cifar10",
        "began": number,
        "ended": None,
        "params": {"model.name": "model1", "data.name": data},
        "tags": {},
        "metrics": {} if score is None else {"best_val_accuracy": score},
        "artifact_uri": "",
    }
    return RecordedRun(**{"run_id": str(number), **given, **about})


def test_the_best_is_chosen_by_validation_among_those_that_finished() -> None:
    runs = [run(1, 0.6), run(2, 0.7, status="RUNNING"), run(3, 0.65), run(4, 0.65), run(5, float("nan")), run(6)]
    found = best(runs)
    assert found is not None
    assert found.run_id == "3"
    assert best([run(6), run(7, 0.9, status="KILLED")]) is None


def test_the_best_is_judged_by_the_epoch_whose_weights_it_kept() -> None:
    peaked = run(1, metrics={"best_val_accuracy": 0.75, "val_accuracy": 0.68})
    steady = run(2, metrics={"best_val_accuracy": 0.73, "val_accuracy": 0.72})
    assert best([peaked, steady]) == steady
    params = {**peaked.params, "training.restore_best_weights": "true"}
    restored = run(3, metrics={**peaked.metrics}, params=params)
    assert best([peaked, steady, restored]) == restored


def test_made_up_images_count_only_where_there_are_no_real_ones() -> None:
    made_up = run(1, 0.99, data="sample")
    assert best([made_up]) == made_up
    assert best([made_up, run(2, 0.5)]) == run(2, 0.5)


def test_the_latest_began_last_whatever_became_of_it() -> None:
    assert latest([run(1), run(3, status="KILLED"), run(2)]) == run(3, status="KILLED")
    assert latest([]) is None


def test_parents_and_runs_of_other_projects_are_no_trainings() -> None:
    parent, child = run(1), run(2, tags={"mlflow.parentRunId": "1"})
    sweep = run(3, params={"model.name": "model1", "sweep.space": "depth"})
    assert trainings([parent, child, sweep, run(4, params={"lr": "1"}), run(5)]) == [child, run(5)]


def training(store: Store, name: str, **metrics: float) -> str:
    made = store.client.create_run(store.experiment_id, run_name=name)
    store.client.log_param(made.info.run_id, "model.name", "model1")
    for key, value in metrics.items():
        store.client.log_metric(made.info.run_id, key, value)
    store.client.set_terminated(made.info.run_id)
    return str(made.info.run_id)


def test_they_are_found_in_a_store(store: Store) -> None:
    first = training(store, "first", best_val_accuracy=0.7)
    second = training(store, "second", best_val_accuracy=0.6)
    assert find("best", HERE).run_id == first
    assert find("latest", HERE).run_id == second
    store.client.set_tag(second, "model.sha256", "a")
    assert find("best", HERE, having="model.sha256").run_id == second
    store.client.create_registered_model("cifar10")
    store.client.create_model_version("cifar10", "mlruns/a", second)
    store.client.set_registered_model_alias("cifar10", "champion", "1")
    assert find("champion", HERE).run_id == second


def test_where_there_is_none_it_is_said_how_to_make_one(store: Store) -> None:
    for word, told in (
        ("best", "no finished training with validation images yet"),
        ("latest", "no training yet"),
        ("champion", "no network is the champion of cifar10 yet"),
    ):
        with pytest.raises(TrackingError, match=f"run {word}: .*{told}.*python -m experiments") as error:
            find(word, HERE)
        assert "\n" not in str(error.value)


def test_without_a_store_there_is_none(project: Any) -> None:
    with pytest.raises(TrackingError, match="there is no such database"):
        find("champion", HERE)
    assert list(project.iterdir()) == []


def test_a_word_that_is_mistyped_is_suggested(store: Store) -> None:
    training(store, "first")
    with pytest.raises(TrackingError, match="Did you mean champion"):
        find("champoin", HERE)
