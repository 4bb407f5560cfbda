"""What a sweep ends with: who is trained again, on which seeds, and what that says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from experiments.results.statistics import Difference, Summary
from experiments.search.finals import DEFAULT, WINNER, as_judged, missing, next_wanted, verdict, wanted
from experiments.search.history import History
from experiments.search.records import Limits, Trial
from tests.experiments.search.sweeps import sweep_of

TRIED = {"model": {"name": "model1", "filters": 8}, "training": {"epochs": 3, "restore_best_weights": False}, "seed": 0}
OTHER: dict[str, Any] = {**TRIED, "model": {"name": "model1", "filters": 32}}

WON, LOST = [0.71, 0.74, 0.72], [0.70, 0.69, 0.65]


def trial(number: int, score: float | None, state: str = "finished", **changes: Any) -> Trial:
    config = {**TRIED, "model": {"name": "model1", "filters": 8 * number}, **changes}
    return Trial(number, {"model.filters": 8 * number}, config, state=state, score=score)


def history_of(*trials: Trial, seeds: int = 3, default: dict[str, Any] | None = OTHER) -> History:
    """A search that is done; the default has 32 filters, trial n has 8 n."""
    history = History()
    history.sweep = sweep_of(default=default or {})
    history.limits = Limits(len(trials), final_seeds=seeds)
    history.trials = list(trials)
    history.ended_order = [item.number for item in trials if item.has_ended]
    return history


def made(history: History, scores: dict[str, list[float | None]]) -> None:
    """The final trainings that are wanted end with these test accuracies; None: it failed."""
    left = {of: iter(values) for of, values in scores.items()}
    while (item := next_wanted(history)) is not None:
        score = next(left[item.of])
        facts = {} if score is None else {"test_accuracy": score, "run_id": "x"}
        state = "failed" if score is None else "finished"
        number = len(history.finals) + 1
        history.finals.append(Trial(number, item.point, item.config, of=item.of, state=state, facts=facts))


def test_the_winner_and_the_default_are_wanted_on_the_seeds_after_the_defaults_turn_by_turn() -> None:
    asked = wanted(history_of(trial(1, 0.5), trial(2, 0.6), trial(3, 0.55)))
    assert [(item.of, item.config["seed"]) for item in asked] == [
        (WINNER, 1), (DEFAULT, 1), (WINNER, 2), (DEFAULT, 2), (WINNER, 3), (DEFAULT, 3),
    ]  # fmt: skip
    assert [item.config["model"]["filters"] for item in asked] == [16, 32] * 3
    assert [item.point for item in asked] == [{"model.filters": 16}, {}] * 3


def test_each_keeps_the_epoch_that_validation_judges_best() -> None:
    asked = wanted(history_of(trial(1, 0.5), seeds=1))
    assert [item.config["training"] for item in asked] == [{"epochs": 3, "restore_best_weights": True}] * 2
    assert as_judged(TRIED) == {**TRIED, "training": {"epochs": 3, "restore_best_weights": True}}
    assert TRIED["training"] == {"epochs": 3, "restore_best_weights": False}, "what came in is left alone"


def test_no_seed_that_a_trial_had_is_among_them() -> None:
    last = 2**32 - 1
    history = history_of(trial(1, 0.5, seed=1), trial(2, 0.4, seed=2), default={**OTHER, "seed": last}, seeds=2)
    assert [(item.of, item.config["seed"]) for item in wanted(history)] == [
        (WINNER, 0), (DEFAULT, 0), (WINNER, 3), (DEFAULT, 3),
    ]  # fmt: skip


def test_another_seed_makes_no_other_setting_of_the_default() -> None:
    alike = trial(4, 0.5, seed=9)
    assert [item.of for item in wanted(history_of(alike, seeds=2))] == [WINNER, WINNER]


@pytest.mark.parametrize(
    ("trials", "seeds"),
    [((), 3), ((trial(1, None, "failed"), trial(2, 0.9, "pruned")), 3), ((trial(1, 0.5),), 0)],
    ids=["no trial", "no winner", "no seeds"],
)
def test_where_there_is_no_winner_or_no_seed_nothing_is_wanted(trials: tuple[Trial, ...], seeds: int) -> None:
    history = history_of(*trials, seeds=seeds)
    assert (wanted(history), next_wanted(history), missing(history), verdict(history)) == ([], None, [], None)


@pytest.mark.parametrize("default", [None, trial(1, 0.5).config], ids=["none", "the winner's own settings"])
def test_a_winner_without_another_default_is_trained_alone(default: dict[str, Any] | None) -> None:
    history = history_of(trial(1, 0.5), default=default)
    made(history, {WINNER: [*WON]})
    found = verdict(history)
    assert found is not None
    assert (found.compared, found.default, found.difference) == (False, None, None)
    assert found.scores == Summary(3, pytest.approx(2.17 / 3), pytest.approx(stats.tstd(WON)))
    assert (found.seeds, found.failed, found.looks) == ((1, 2, 3), 0, 3)


def test_a_default_that_differs_only_in_which_epoch_it_keeps_is_the_winner() -> None:
    default = as_judged(trial(1, 0.5).config)
    assert {item.of for item in wanted(history_of(trial(1, 0.5), default=default))} == {WINNER}


def test_nothing_is_wanted_twice_and_what_runs_is_missing_but_not_wanted_again() -> None:
    history = history_of(trial(1, 0.5), seeds=2)
    asked = wanted(history)
    assert next_wanted(history) == asked[0]
    first = Trial(1, asked[0].point, asked[0].config, of=WINNER, state="running")
    history.finals = [first]
    assert next_wanted(history) == asked[1]
    assert missing(history) == asked
    history.finals = [replace(first, state="failed")]
    assert missing(history) == asked[1:]
    made(history, {WINNER: [0.6], DEFAULT: [0.5, 0.5]})
    assert [final.config for final in history.finals] == [item.config for item in asked]
    assert (next_wanted(history), missing(history)) == (None, [])


def test_as_long_as_one_is_missing_there_is_no_verdict() -> None:
    history = history_of(trial(1, 0.5), seeds=2)
    made(history, {WINNER: [0.6, 0.7], DEFAULT: [0.5, 0.4]})
    assert verdict(history) is not None
    for number, final in enumerate(history.finals):
        history.finals[number] = replace(final, state="running", facts={})
        assert verdict(history) is None
        history.finals[number] = final
    history.limits = Limits(1, final_seeds=3)
    assert verdict(history) is None
    assert [item.config["seed"] for item in missing(history)] == [3, 3]


def test_means_deviations_and_the_interval_are_those_of_welch() -> None:
    history = history_of(trial(1, 0.5), trial(2, 0.6))
    made(history, {WINNER: [*WON], DEFAULT: [*LOST]})
    found = verdict(history)
    assert found is not None
    assert found.winner.number == 2
    assert found.scores == Summary(3, pytest.approx(0.7233333333), pytest.approx(0.0152752523))
    assert found.default == Summary(3, pytest.approx(0.68), pytest.approx(0.0264575131))
    one, other = (stats.tvar(values) / 3 for values in (WON, LOST))
    degrees = (one + other) ** 2 / (one**2 / 2 + other**2 / 2)
    half = stats.t.ppf(0.975, degrees) * (one + other) ** 0.5
    assert degrees == pytest.approx(3.2)
    assert half == pytest.approx(0.0542, abs=1e-4)
    mean = pytest.approx(0.0433333333)
    assert found.difference == Difference(mean, pytest.approx(0.0433333333 - half), pytest.approx(0.0433333333 + half))
    assert (found.compared, found.seeds, found.failed, found.looks) == (True, (1, 2, 3), 0, 6)


def test_seeds_that_all_come_to_the_same_give_no_interval() -> None:
    history = history_of(trial(1, 0.5))
    made(history, {WINNER: [0.6, 0.6, 0.6], DEFAULT: [0.5, 0.5, 0.5]})
    found = verdict(history)
    assert found is not None
    assert found.difference == Difference(pytest.approx(0.1), None, None)
    history = history_of(trial(1, 0.5))
    made(history, {WINNER: [0.6, 0.6, 0.6], DEFAULT: [0.5, 0.5, 0.51]})
    found = verdict(history)
    assert found is not None
    assert found.difference is not None
    assert found.difference.is_clear


def test_settings_are_counted_once_however_often_they_were_tried_and_whatever_came_of_them() -> None:
    again = replace(trial(2, 0.6), number=4)  # a higher rung of Hyperband
    history = history_of(trial(1, 0.5), trial(2, 0.55), trial(3, None, "failed"), again, seeds=1)
    made(history, {WINNER: [0.6], DEFAULT: [0.5]})
    found = verdict(history)
    assert found is not None
    assert (found.winner.number, found.settings) == (4, 3)


def test_those_that_failed_are_counted_and_not_averaged() -> None:
    history = history_of(trial(1, 0.5))
    made(history, {WINNER: [0.6, None, 0.7], DEFAULT: [None, None, None]})
    found = verdict(history)
    assert found is not None
    assert found.scores == Summary(2, pytest.approx(0.65), pytest.approx(0.0707106781))
    assert (found.compared, found.default, found.difference) == (True, None, None)
    assert (found.seeds, found.failed, found.looks) == ((1, 2, 3), 4, 2)


def test_a_single_seed_has_a_difference_and_no_interval() -> None:
    history = history_of(trial(1, 0.5), seeds=1)
    made(history, {WINNER: [0.625], DEFAULT: [0.5]})
    found = verdict(history)
    assert found is not None
    assert (found.difference, found.scores) == (Difference(0.125, None, None), Summary(1, 0.625, None))


def test_the_looks_of_an_earlier_winner_are_counted_and_its_default_is_not_trained_again() -> None:
    history = history_of(trial(1, 0.5), seeds=2)
    made(history, {WINNER: [0.6, 0.62], DEFAULT: [0.5, 0.52]})
    history.trials.append(trial(2, 0.7))
    history.ended_order.append(2)
    assert verdict(history) is None
    assert [(item.of, item.config["model"]["filters"]) for item in missing(history)] == [(WINNER, 16)] * 2
    made(history, {WINNER: [0.64, 0.66]})
    found = verdict(history)
    assert found is not None
    assert found.winner.number == 2
    assert found.scores == Summary(2, pytest.approx(0.65), pytest.approx(0.0141421356))
    assert found.default == Summary(2, pytest.approx(0.51), pytest.approx(0.0141421356))
    assert (found.settings, found.looks, len(history.finals)) == (2, 6, 6)
