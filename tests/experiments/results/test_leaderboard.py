"""Who did best: grouping over seeds, ranking, and what to show."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import astuple

import pytest

from cifar.config import MODELS, OPTIMIZERS, SGD, DataConfig, RMSprop, RunConfig
from cifar.fields import flatten
from experiments.results.leaderboard import FinishedRun, Leaderboard, as_json, build_leaderboard
from experiments.results.statistics import Summary

DEFAULTS = {"model.name": "model1", "optimizer.name": "sgd", "optimizer.learning_rate": "0.01", "seed": "0"}
ids = iter(range(1_000_000))


def run(
    validation: float | None = None,
    test: float | None = None,
    status: str = "FINISHED",
    error: str | None = None,
    **params: object,
) -> FinishedRun:
    """A run of DEFAULTS but for `params`, whose double underscores stand for dots."""
    config = DEFAULTS | {key.replace("__", "."): str(value) for key, value in params.items()}
    metrics = {"val_accuracy": validation, "test_accuracy": test}
    run_id = f"{next(ids):032x}"
    return FinishedRun(run_id, "a run", status, config, {k: v for k, v in metrics.items() if v is not None}, error)


def models(board: Leaderboard) -> list[str]:
    return [configuration.params["model.name"] for configuration in board.ranked]


def configured(config: RunConfig, validation: float = 0.5) -> FinishedRun:
    params = {key: str(value) for key, value in flatten(config).items()}
    return FinishedRun("id", "name", "FINISHED", params, {"val_accuracy": validation})


def test_equal_configs_are_one_group_over_their_seeds() -> None:
    (only,) = build_leaderboard([run(0.60, seed=1), run(0.62, seed=2), run(0.64, seed=3)]).ranked
    assert only.validation
    assert astuple(only.validation) == pytest.approx((3, 0.62, 0.02))
    assert "seed" not in only.params


def test_one_seed_has_no_deviation() -> None:
    (only,) = build_leaderboard([run(0.6, 0.59)]).ranked
    assert (only.validation, only.test) == (Summary(1, 0.6, None), Summary(1, 0.59, None))


def test_a_seed_that_ran_twice_counts_once() -> None:
    (only,) = build_leaderboard([run(0.60, seed=1), run(0.62, seed=1), run(0.65, seed=2)]).ranked
    assert only.validation
    assert astuple(only.validation) == pytest.approx((2, 0.63, 0.04 / 2**0.5))
    assert len(only.runs) == 3


def test_the_best_validation_comes_first_whatever_test_says() -> None:
    board = build_leaderboard(
        [run(0.5, 0.9, model__name="model1"), run(0.7, 0.1, model__name="model2"), run(0.6, 0.5, model__name="model3")]
    )
    assert models(board) == ["model2", "model3", "model1"]


def test_equal_means_keep_the_order_they_came_in() -> None:
    assert models(build_leaderboard([run(0.5, model__name="b"), run(0.5, model__name="a")])) == ["b", "a"]


def test_a_loss_ranks_lowest_first() -> None:
    losses = {"model1": 1.2, "model2": 0.9}
    runs = [FinishedRun(m, m, "FINISHED", {"model.name": m}, {"val_loss": loss}) for m, loss in losses.items()]
    assert models(build_leaderboard(runs, "val_loss")) == ["model2", "model1"]


def test_test_metrics_are_refused_for_ranking() -> None:
    with pytest.raises(ValueError, match="metric=test_accuracy: expected a validation metric"):
        build_leaderboard([], "test_accuracy")


def test_runs_without_validation_come_after_and_are_not_ranked_by_test() -> None:
    board = build_leaderboard([run(None, 0.5, model__name="a"), run(None, 0.9, model__name="b"), run(0.1)])
    assert models(board) == ["model1"]
    assert [c.params["model.name"] for c in board.unranked] == ["a", "b"]
    assert [c.test for c in board.unranked] == [Summary(1, 0.5, None), Summary(1, 0.9, None)]


def test_a_score_that_is_not_a_number_is_none() -> None:
    board = build_leaderboard([run(float("nan"))])
    assert not board.ranked
    assert board.unranked[0].validation is None


@pytest.mark.parametrize("status", ["FAILED", "KILLED", "RUNNING", "SCHEDULED"])
def test_only_finished_runs_score(status: str) -> None:
    board = build_leaderboard([run(0.6, seed=1), run(0.9, status=status, error="why", seed=2)])
    assert board.ranked[0].validation == Summary(1, 0.6, None)
    assert [(r.status, r.error) for r in board.unfinished] == [(status, "why")]


def test_params_that_differ_are_columns_names_and_learning_rate_first() -> None:
    board = build_leaderboard(
        [
            run(data__train_size=100, training__epochs=15, optimizer__learning_rate=0.1),
            run(data__train_size=200, training__epochs=30, optimizer__name="adam"),
            run(model__name="model2", model__depth=1),
            run(model__name="model2", model__depth=2, seed=5),
        ]
    )
    assert board.columns == (
        "model.name",
        "optimizer.name",
        "optimizer.learning_rate",
        "model.depth",
        "training.epochs",
        "data.train_size",
    )


def test_what_follows_from_a_name_is_no_column() -> None:
    pairs = itertools.product(MODELS.values(), OPTIMIZERS.values())
    runs = [configured(RunConfig(model=model(), optimizer=optimizer())) for model, optimizer in pairs]  # type: ignore[call-arg]
    board = build_leaderboard(runs)
    assert board.columns == ("model.name", "optimizer.name", "optimizer.learning_rate")
    assert len(board.ranked) == 27


def test_a_setting_that_varies_under_one_name_is_a_column() -> None:
    optimizers = [SGD(momentum=0.9), SGD(momentum=0.0), RMSprop()]
    board = build_leaderboard([configured(RunConfig(optimizer=optimizer)) for optimizer in optimizers])
    assert board.columns == ("optimizer.name", "optimizer.learning_rate", "optimizer.momentum")


def test_runs_that_failed_help_to_tell_the_configs_apart() -> None:
    board = build_leaderboard([run(0.6), run(status="FAILED", model__name="model2")])
    assert board.columns == ("model.name",)


def test_a_hold_out_of_another_size_is_another_config() -> None:
    board = build_leaderboard([configured(RunConfig(data=DataConfig(validation_size=n))) for n in (1000, 5000)])
    assert board.columns == ("data.validation_size",)


def test_json_holds_every_param_and_exact_numbers() -> None:
    board = build_leaderboard(
        [run(0.60, 0.59, seed=1), run(0.64, seed=2), run(None, 0.5, extra=1), run(status="FAILED", error="boom")]
    )
    plain = json.loads(json.dumps(as_json(board), allow_nan=False))
    (first,) = plain["ranked"]
    assert first["rank"] == 1
    assert first["params"] == {key: value for key, value in DEFAULTS.items() if key != "seed"}
    assert first["validation"]["mean"] == pytest.approx(0.62)
    assert first["validation"]["interval_95"] == pytest.approx([0.62 - 0.02 * 12.7062, 0.62 + 0.02 * 12.7062], abs=1e-5)
    assert first["test"] == {"n": 1, "mean": 0.59, "deviation": None, "interval_95": None}
    assert [r["seed"] for r in first["runs"]] == ["1", "2"]
    assert plain["unranked"][0]["validation"] is None
    assert [(r["status"], r["error"]) for r in plain["unfinished"]] == [("FAILED", "boom")]


def test_a_thousand_runs_take_well_under_a_second() -> None:
    runs = [configured(RunConfig(seed=seed % 5, data=DataConfig(split_seed=seed // 5))) for seed in range(1000)]
    start = time.perf_counter()
    board = build_leaderboard(runs)
    assert time.perf_counter() - start < 1
    assert len(board.ranked) == 200
