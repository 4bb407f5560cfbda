"""Groups of equal settings over seeds."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest

from experiments.results.boards import boards, looks_at_test
from tests.experiments.results.recorded import recorded


def test_equal_settings_are_one_group_over_their_seeds() -> None:
    (board,) = boards([recorded(0.60, 0.5, seed=1), recorded(0.62, 0.6, seed=2), recorded(0.64, 0.7, seed=3)])
    (group,) = board.ranked
    assert group.validation
    assert group.test
    assert astuple(group.validation) == pytest.approx((3, 0.62, 0.02))
    assert astuple(group.test) == pytest.approx((3, 0.6, 0.1))
    assert (group.n, group.model, group.images, str(group.place)) == (3, "model1", 5000, "1")


def test_threads_device_tracking_and_sweep_do_not_make_another_setting() -> None:
    other = {"compute__threads": 1, "compute__device": "gpu", "tracking__run_name": "b", "sweep__x": 1}
    (board,) = boards([recorded(0.60, seed=1), recorded(0.62, seed=2, **other)])
    assert len(board.ranked) == 1


def test_the_best_mean_of_validation_is_first_whatever_test_says() -> None:
    better, worse = recorded(0.70, 0.1), recorded(0.50, 0.9, optimizer__name="adam")
    (board,) = boards([worse, better])
    assert [group.runs[0] for group in board.ranked] == [better, worse]


def test_real_images_stand_apart_and_first() -> None:
    found = boards([recorded(0.99, data__name="sample"), recorded(0.6)])
    assert [board.data for board in found] == ["cifar10", "sample"]


def test_without_validation_images_a_group_has_no_place() -> None:
    (board,) = boards([recorded(None, 0.63, data__validation_size=0)])
    assert board.ranked == ()
    (group,) = board.unranked
    assert (group.place, group.n, group.test and group.test.mean) == (None, 1, 0.63)
    assert board.groups == (group,)


@pytest.mark.parametrize(
    ("restore", "metrics", "kept"),
    [
        ("true", {"best_val_accuracy": 0.7, "val_accuracy": 0.6}, 0.7),
        ("false", {"best_val_accuracy": 0.7, "val_accuracy": 0.6}, 0.6),
        (None, {"best_val_accuracy": 0.7, "val_accuracy": 0.6}, 0.6),
        ("false", {"best_val_accuracy": 0.7}, 0.7),
        ("false", {}, math.nan),
    ],
)
def test_the_score_is_that_of_the_epoch_whose_weights_were_kept(
    restore: str | None, metrics: dict[str, float], kept: float
) -> None:
    run = recorded(metrics=metrics, training__restore_best_weights=restore)
    assert run.kept_validation == pytest.approx(kept, nan_ok=True)


def test_looks_at_the_test_images_are_counted() -> None:
    assert looks_at_test(recorded(0.6, 0.6, tags={"test_evaluations": "3"})) == 3
    assert looks_at_test(recorded(0.6, 0.6)) == 1  # of an older version
    assert looks_at_test(recorded(0.6)) == 0
    assert looks_at_test(recorded(0.6, 0.6, tags={"reused_from": "abc"})) == 0
    assert looks_at_test(recorded(0.6, 0.6, tags={"test_evaluations": "many"})) == 1
    runs = [recorded(0.6, 0.6, seed=seed, tags={"test_evaluations": "2"}) for seed in range(3)]
    assert boards(runs)[0].ranked[0].looks == 6


def test_time_and_size_are_those_of_the_runs() -> None:
    runs = [recorded(0.6, seed=s, metrics={"training_seconds": 60.0 + s, "parameters": 181_162.0}) for s in range(3)]
    (group,) = boards(runs)[0].ranked
    assert group.seconds
    assert (group.seconds.mean, group.parameters) == (61.0, 181_162)


def test_runs_of_older_versions_lack_what_they_lack() -> None:
    old = recorded(0.6, optimizer__learning_rate=None, data__validation_size=None, seed=None)
    (group,) = boards([old])[0].ranked
    assert (group.seconds, group.parameters, group.images, group.loss) == (None, None, None, None)
    assert boards([recorded(math.nan)])[0].ranked == ()
    assert boards([]) == []


def test_columns_are_network_optimizer_rate_and_what_differs() -> None:
    (board,) = boards([recorded(0.6, training__epochs=15), recorded(0.7, training__epochs=30)])
    assert board.columns == ("model.name", "optimizer.name", "optimizer.learning_rate", "training.epochs")
