from __future__ import annotations

import pytest

from experiments.search.board import best_trial, flat, standings
from experiments.search.history import History
from experiments.search.records import Trial
from tests.experiments.search.sweeps import sweep_of


def trial(number: int, score: float | None, state: str = "finished", reason: str | None = None) -> Trial:
    config = {"model": {"name": "model1", "filters": number}, "training": {"epochs": 3}, "seed": 0}
    return Trial(number, {}, config, state=state, score=score, reason=reason)


def history_of(*trials: Trial, objective: str = "val_accuracy") -> History:
    history = History()
    history.sweep = sweep_of(objective=objective)
    history.trials = list(trials)
    history.ended_order = [item.number for item in trials if item.has_ended]
    return history


@pytest.mark.parametrize(("objective", "number"), [("val_accuracy", 2), ("val_loss", 1)])
def test_the_best_trial_is_the_first_of_the_best_that_finished(objective: str, number: int) -> None:
    trials = [trial(1, 0.0), trial(2, 0.6), trial(3, 0.6), trial(4, 0.9, "pruned"), trial(5, None, "failed")]
    best = best_trial(trials, objective)
    assert best is not None
    assert best.number == number
    assert best_trial([trial(1, 0.9, "pruned")], objective) is None


def test_the_leaderboard_ranks_by_the_best_epoch_and_keeps_pruned_and_failed_trials_apart() -> None:
    history = history_of(trial(1, 0.5), trial(2, 0.6), trial(3, 0.1, "pruned", "too low"), trial(4, None, "failed"))
    board = standings(history)
    assert board.metric == "best_val_accuracy"
    assert [item.runs[0].name for item in board.ranked] == ["trial 2", "trial 1"]
    assert [(run.name, run.status, run.error) for run in board.unfinished] == [
        ("trial 3", "PRUNED", "too low"),
        ("trial 4", "FAILED", None),
    ]


def test_of_equals_the_first_leads_there_as_it_is_the_best() -> None:
    history = history_of(trial(1, 0.6), trial(2, 0.6))
    history.ended_order.reverse()
    assert [item.runs[0].name for item in standings(history).ranked] == ["trial 1", "trial 2"]


def test_a_configuration_is_flattened_to_dotted_keys() -> None:
    assert flat({"model": {"name": "model1", "filters": 2}, "seed": 0}) == {
        "model.name": "model1",
        "model.filters": 2,
        "seed": 0,
    }
