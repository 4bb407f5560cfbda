from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments.search.halving import Brackets, Rungs
from experiments.search.records import Rung, Trial
from experiments.search.space import read_space
from experiments.search.tuner import HyperbandTuner, Proposal, RandomTuner
from tests.experiments.search.sweeps import SMALL

SETTINGS = [(2, 2), (9, 3), (10, 3), (27, 3), (50, 3), (81, 3), (100, 4), (243, 3), (7, 10)]


@pytest.fixture(scope="module")
def theirs() -> Callable[..., Any]:
    """Makes keras-tuner's HyperbandOracle, without files."""
    import keras_tuner

    class Unsaved(keras_tuner.oracles.HyperbandOracle):
        def save(self) -> None: ...
        def _save_trial(self, trial: object) -> None: ...

    def make(max_epochs: int, factor: int) -> Any:
        space = keras_tuner.HyperParameters()
        space.Float("x", 0, 1)
        objective = keras_tuner.Objective("score", "max")
        oracle = Unsaved(
            objective, max_epochs, factor, hyperparameters=space, seed=1, max_consecutive_failed_trials=None
        )
        oracle.verbose = 0
        return oracle

    return make


@pytest.mark.parametrize(("max_epochs", "factor"), SETTINGS)
def test_rungs_are_as_large_and_as_long_as_keras_tuner_s(
    theirs: Callable[..., Any], max_epochs: int, factor: int
) -> None:
    oracle, ours = theirs(max_epochs, factor), Brackets(max_epochs, factor)
    assert ours.number == oracle._get_num_brackets()
    for bracket in range(ours.number):
        top = ours.top(bracket)
        assert top == oracle._get_num_rounds(top) - 1
        for level in range(top + 1):
            assert ours.size(bracket, level) == oracle._get_size(top, level)
            assert ours.epochs(bracket, level) == oracle._get_epochs(top, level)


def test_after_the_last_bracket_the_first_comes_again() -> None:
    brackets = Brackets(9, 3)
    assert [brackets.top(number) for number in range(7)] == [2, 1, 0, 2, 1, 0, 2]
    assert brackets.trials == 9 + 3 + 1 + 5 + 2 + 3


@pytest.mark.filterwarnings("ignore:(currentThread|getName)")
def test_while_nothing_fails_the_same_go_on_as_keras_tuner_s(theirs: Callable[..., Any]) -> None:
    oracle = theirs(9, 3)
    trials: list[Trial] = []
    draws = iter(range(99))

    class Drawn:
        def propose(self, trials: object) -> Proposal:
            return Proposal({"x": next(draws)})

    tuner = HyperbandTuner(Drawn(), Brackets(9, 3), "val_accuracy")
    for number in range(1, 24):
        trial = oracle.create_trial("w")
        values = trial.hyperparameters.values
        score = float((7 * number) % 23)
        oracle.update_trial(trial.trial_id, {"score": score})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        proposal = tuner.propose(trials)
        assert proposal is not None
        rung = proposal.rung
        assert rung is not None
        assert (rung.epochs, rung.initial_epoch, rung.level) == tuple(
            values[f"tuner/{key}"] for key in ("epochs", "initial_epoch", "round")
        )
        origin = values.get("tuner/trial_id")
        assert rung.from_trial == (None if origin is None else int(origin) + 1)
        trials.append(Trial(number, proposal.point, {}, rung, "finished", score=score))
    assert oracle.create_trial("w").status == "STOPPED"


def halved(fails: Callable[[int], bool], max_epochs: int = 9, number: int = 23) -> list[Trial]:
    """The trials of a Hyperband, one after another, of which some at its first level fail; later points are better."""
    tuner = HyperbandTuner(RandomTuner(read_space(SMALL), 0), Brackets(max_epochs, 3), "val_accuracy")
    trials: list[Trial] = []
    for n in range(1, number + 1):
        proposal = tuner.propose(trials)
        assert proposal is not None
        assert proposal.rung is not None
        failed = proposal.rung.level == 0 and fails(n)
        state = "failed" if failed else "finished"
        trials.append(Trial(n, proposal.point, {}, proposal.rung, state, score=None if failed else float(n)))
    return trials


def sizes(trials: list[Trial]) -> dict[tuple[int, int], int]:
    places = [(trial.rung.bracket, trial.rung.level) for trial in trials if trial.rung]
    return {place: places.count(place) for place in dict.fromkeys(places)}


@pytest.mark.parametrize(
    ("fails", "expected"),
    [
        (lambda n: False, {(0, 0): 9, (0, 1): 3, (0, 2): 1, (1, 0): 5, (1, 1): 2, (2, 0): 3}),
        (lambda n: n % 3 == 0, {(0, 0): 9, (0, 1): 3, (0, 2): 1, (1, 0): 5, (1, 1): 2, (2, 0): 3}),
        (lambda n: n < 9, {(0, 0): 9, (0, 1): 1, (0, 2): 1, (1, 0): 5, (1, 1): 2, (2, 0): 3, (3, 0): 2}),
        (lambda n: n < 10, {(0, 0): 9, (1, 0): 5, (1, 1): 2, (2, 0): 3, (3, 0): 4}),
    ],
)
def test_the_others_go_on_whatever_fails(fails: Callable[[int], bool], expected: dict[tuple[int, int], int]) -> None:
    assert sizes(halved(fails)) == expected


def test_the_best_go_on_from_where_they_were_with_the_same_settings() -> None:
    trials = halved(lambda n: False)
    by_number = {trial.number: trial for trial in trials}
    going_on = [trial for trial in trials if trial.rung and trial.rung.from_trial]
    assert [trial.rung.from_trial for trial in going_on if trial.rung] == [9, 8, 7, 12, 18, 17]
    for trial in going_on:
        assert trial.rung is not None
        below = by_number[trial.rung.from_trial or 0]
        assert below.rung is not None
        assert (trial.point, trial.rung.initial_epoch) == (below.point, below.rung.epochs)


def test_nobody_goes_on_before_enough_have_ended() -> None:
    def ended(number: int) -> Trial:
        return Trial(number, {}, {}, Rung(0, 0, None, 0, 1), "finished", score=float(number))

    running = [Trial(number, {}, {}, Rung(0, 0, None, 0, 1), "running") for number in (7, 8, 9)]

    def better(trial: Trial) -> float:
        return trial.score or 0.0

    failed = [Trial(number, {}, {}, Rung(0, 0, None, 0, 1), "failed") for number in (5, 6, 7)]
    four = [ended(number) for number in range(1, 5)]
    beside_failures = Rungs(Brackets(9, 3), [*four, *failed, *running[1:]], better).promotion(0, full=False)
    assert beside_failures is not None, "those that failed are among the ones left behind"
    assert beside_failures[0].number == 4
    six = [ended(number) for number in range(1, 7)]
    assert Rungs(Brackets(9, 3), [*six, *running], better).promotion(0, full=False) is None
    seventh = Rungs(Brackets(9, 3), [*six, ended(7), *running[1:]], better).promotion(0, full=False)
    assert seventh is not None
    assert seventh[0].number == 7
    assert seventh[1] == Rung(0, 1, 7, 1, 3)


def test_equal_scores_go_on_in_the_order_of_their_proposal() -> None:
    trials = [Trial(number, {}, {}, Rung(0, 0, None, 0, 1), "finished", score=0.5) for number in range(1, 10)]
    promotion = Rungs(Brackets(9, 3), trials, lambda trial: trial.score or 0.0).promotion(0, full=False)
    assert promotion is not None
    assert promotion[0].number == 1
