"""The document's numbers beside ours."""

from __future__ import annotations

import pytest

from experiments.results.beside import beside_the_document
from experiments.results.boards import boards
from tests.experiments.results.recorded import recorded

WHOLE = {"data__validation_size": 0, "data__train_size": "null"}


def test_the_document_has_three_networks() -> None:
    rows = beside_the_document([])
    assert [(row.model, row.accuracy) for row in rows] == [("model1", 0.6305), ("model2", 0.7191), ("model3", 0.7204)]
    assert all(row.repeated is row.best is row.less is row.agrees is None for row in rows)


def test_trainings_on_all_images_for_15_epochs_stand_beside_it() -> None:
    runs = [recorded(None, score, seed=seed, **WHOLE) for seed, score in enumerate((0.62, 0.64, 0.63))]
    row = beside_the_document(boards(runs))[0]
    assert row.repeated
    assert row.less == pytest.approx(0.63 - 0.6305)
    assert row.agrees is True


def test_the_document_may_lie_outside_of_our_interval() -> None:
    runs = [recorded(None, 0.70 + seed / 1000, seed=seed, **WHOLE) for seed in range(3)]
    assert beside_the_document(boards(runs))[0].agrees is False
    assert beside_the_document(boards(runs[:1]))[0].agrees is None


@pytest.mark.parametrize(
    "other",
    [
        {"training__epochs": 30},
        {"data__validation_size": 5000},
        {"data__train_size": 20000},
        {"data__test_size": 100},
        {"data__name": "sample"},
        {"data__validation_size": None},
    ],
)
def test_other_trainings_do_not_repeat_the_document(other: dict[str, object]) -> None:
    run = recorded(None, 0.63, **{**WHOLE, **other})
    assert beside_the_document(boards([run]))[0].repeated is None


def test_of_several_settings_the_one_with_most_seeds_counts_and_never_the_one_that_scores_best() -> None:
    most = [recorded(None, 0.60, seed=seed, **WHOLE) for seed in range(2)]
    best = recorded(None, 0.66, optimizer__name="adam", **WHOLE)
    repeated = beside_the_document(boards([*most, best]))[0].repeated
    assert repeated
    assert {run.run_id for run in repeated.runs} == {run.run_id for run in most}


def test_of_as_many_seeds_the_newest_counts() -> None:
    old = recorded(None, 0.66, began=1, **WHOLE)
    new = recorded(None, 0.60, began=2, optimizer__name="adam", **WHOLE)
    repeated = beside_the_document(boards([new, old]))[0].repeated
    assert repeated
    assert repeated.runs == (new,)


def test_the_setting_that_validation_chose_stands_there_too() -> None:
    chosen, other = recorded(0.7, 0.6), recorded(0.6, 0.7, optimizer__name="adam")
    best = beside_the_document(boards([chosen, other]))[0].best
    assert best
    assert best.runs == (chosen,)
