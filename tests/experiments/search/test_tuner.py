"""What is proposed follows from the trials and the seed alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from experiments.search.config import read_tuner
from experiments.search.oracles import Gaussian
from experiments.search.records import Trial
from experiments.search.space import Point, Space, read_space
from experiments.search.tuner import BayesianTuner, NothingLeftError, Proposal, RandomTuner, Tuner, initial_points
from experiments.search.tuners import build_tuner
from tests.experiments.search.sweeps import SMALL, TUNERS

FINITE = {"name": "finite", "search": {"model.depth": [1, 2, 3], "seed": [1, 2]}}


def proposed(tuner: Tuner, number: int, score: Callable[[Trial], float | None] | None = None) -> list[Trial]:
    """The trials of a tuner, one after another; one without a score has failed."""
    trials: list[Trial] = []
    for n in range(1, number + 1):
        proposal = tuner.propose(trials)
        assert isinstance(proposal, Proposal)
        trial = Trial(n, proposal.point, {}, proposal.rung)
        value = score(trial) if score else float(n % 5)
        trials.append(replace(trial, state="failed" if value is None else "finished", score=value))
    return trials


def made(tuner: str, seed: int = 0, space: Space | None = None) -> Tuner:
    config, tree, _ = TUNERS[tuner]
    return build_tuner(read_tuner(config), space or read_space(tree), "val_accuracy", seed)


@pytest.mark.parametrize("tuner", ["random", "grid", "hyperband"])
def test_a_tuner_made_anew_before_each_trial_proposes_the_same(tuner: str) -> None:
    class Forgetful:
        def propose(self, trials: list[Trial]) -> Proposal | None:
            return made(tuner).propose(trials)

    assert proposed(made(tuner), 20) == proposed(Forgetful(), 20)  # type: ignore[arg-type]


@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_zero_is_a_seed_and_one_another(tuner: str) -> None:
    first = proposed(made(tuner, 0), 9)
    assert proposed(made(tuner, 0), 9) == first
    assert not {str(trial.point) for trial in proposed(made(tuner, 1), 9)} & {str(trial.point) for trial in first}


@pytest.mark.parametrize("tuner", ["random", "grid"])
def test_what_is_drawn_does_not_depend_on_what_came_out(tuner: str) -> None:
    first = proposed(made(tuner), 12)
    waiting = [replace(trial, state="running", score=None) for trial in first]
    assert made(tuner).propose(waiting) == made(tuner).propose(first)


@pytest.mark.parametrize("tuner", ["random", "grid"])
@pytest.mark.parametrize("number", [12, 13, 40])
def test_each_optimizer_gets_the_same_number_of_trials(tuner: str, number: int) -> None:
    counts = Counter(trial.point["optimizer"] for trial in proposed(made(tuner), number))
    assert set(counts) == {"sgd", "adam", "rmsprop"}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_in_hyperband_each_optimizer_gets_the_same_number_of_starts() -> None:
    trials = proposed(made("hyperband"), 40)
    counts = Counter(trial.point["optimizer"] for trial in trials if trial.rung and trial.rung.level == 0)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_optimizers_take_turns_in_an_order_that_changes() -> None:
    order = [str(trial.point["optimizer"]) for trial in proposed(made("random"), 30)]
    rounds = {tuple(order[begin : begin + 3]) for begin in range(0, 30, 3)}
    assert {tuple(sorted(names)) for names in rounds} == {("adam", "rmsprop", "sgd")}
    assert len(rounds) > 2


def test_an_option_adds_points_of_its_own_range_only() -> None:
    for trial in proposed(made("random"), 60):
        low, high = (0.001, 1.0) if trial.point["optimizer"] == "sgd" else (0.0001, 0.01)
        assert low <= trial.point["optimizer.learning_rate"] <= high  # type: ignore[operator]
        assert ("optimizer.momentum" in trial.point) == (trial.point["optimizer"] == "sgd")


@pytest.mark.parametrize("tuner", ["random", "grid", "hyperband", "bayesian"])
def test_a_finite_space_is_gone_through_once_and_then_nothing_is_left(tuner: str) -> None:
    config = {**TUNERS[tuner][0], "initial_points": 6} if tuner == "bayesian" else TUNERS[tuner][0]
    tuner_ = build_tuner(read_tuner(config), read_space(FINITE), "val_accuracy", 0)
    trials = [trial for trial in proposed(tuner_, 6) if not trial.rung or trial.rung.level == 0]
    assert len({str(trial.point) for trial in trials}) == 6
    if tuner != "hyperband":
        with pytest.raises(NothingLeftError, match=r"^every point of (the grid of )?finite was tried$"):
            tuner_.propose(trials)


def test_hyperband_waits_for_what_runs_and_ends_when_nothing_more_can_go_on() -> None:
    tuner = made("hyperband", space=read_space(FINITE))
    trials = proposed(tuner, 6)
    assert [trial.rung.level for trial in trials if trial.rung] == [0] * 6
    running = [replace(trial, state="running", score=None) for trial in trials]
    assert tuner.propose(running) is None
    following = [proposed(tuner, 10)[number].rung for number in range(6, 10)]
    assert [(rung.level, rung.epochs) for rung in following if rung] == [(1, 3), (1, 3), (1, 3), (2, 9)]
    with pytest.raises(NothingLeftError):
        tuner.propose(proposed(tuner, 10))


def test_options_that_are_used_up_leave_the_rest_to_others() -> None:
    space = read_space({
        "name": "uneven",
        "search": {"optimizer": ["sgd", "adam"], "seed": {"when": {"optimizer": "adam"}, "choices": [1, 2, 3]}},
    })  # fmt: skip
    for tuner in ("random", "grid"):
        counts = Counter(trial.point["optimizer"] for trial in proposed(made(tuner, space=space), 4))
        assert counts == {"sgd": 1, "adam": 3}
        with pytest.raises(NothingLeftError):
            made(tuner, space=space).propose(proposed(made(tuner, space=space), 4))


def test_bayesian_finds_the_best() -> None:
    def peak(trial: Trial) -> float:
        rate = trial.point["model.dropout_rate"]
        assert isinstance(rate, float)
        return 1 - abs(rate - 0.3)

    trials = proposed(BayesianTuner(read_space(SMALL), 0, "val_accuracy", 4), 8, peak)
    best = max(trials, key=lambda trial: trial.score or 0.0)
    assert best.number > 4
    assert abs(best.point["model.dropout_rate"] - 0.3) < 0.02  # type: ignore[operator]
    assert len({str(trial.point) for trial in trials}) == 8


@pytest.mark.parametrize(
    ("objective", "scores"), [("val_accuracy", [-0.9, -0.2, -0.2, -0.2]), ("val_loss", [0.9, 0.2, 0.9, 0.9])]
)
def test_to_bayesian_what_failed_or_runs_is_as_bad_as_the_worst(
    monkeypatch: pytest.MonkeyPatch, objective: str, scores: list[float]
) -> None:
    told: list[float] = []

    def suggest(self: Gaussian, seed: int, past: list[tuple[Point, float]]) -> Point:
        told.extend(score for _, score in past)
        return {"model.dropout_rate": 0.123}

    monkeypatch.setattr(Gaussian, "suggest", suggest)
    tuner = BayesianTuner(read_space(SMALL), 0, objective, 2)
    first, second, third, fourth = proposed(RandomTuner(read_space(SMALL), 0), 4)
    trials = [
        replace(first, score=0.9),
        replace(second, state="pruned", score=0.2),
        replace(third, state="failed", score=None),
        replace(fourth, state="running", score=None),
    ]
    assert tuner.propose(trials).point == {"model.dropout_rate": 0.123}
    assert told == scores
    again = [*trials, replace(fourth, number=5, point={"model.dropout_rate": 0.123})]
    assert tuner.propose(again).point != {"model.dropout_rate": 0.123}, "no point is tried twice"


def test_bayesian_draws_at_random_until_it_knows_enough() -> None:
    space = read_space(SMALL)
    tuner, draws = BayesianTuner(space, 0, "val_accuracy"), RandomTuner(space, 0)
    assert [trial.point for trial in proposed(tuner, 3)] == [trial.point for trial in proposed(draws, 3)]
    assert proposed(tuner, 5, lambda trial: None)[4].point == proposed(draws, 5)[4].point


def test_proposals_are_plain_values() -> None:
    kinds = {type(value) for trial in proposed(made("random"), 10) for value in trial.point.values()}
    assert kinds <= {str, int, float, bool, type(None)}
    assert asdict(Proposal({"seed": 1})) == {"point": {"seed": 1}, "rung": None}


def test_a_point_is_drawn_for_each_searched_key_but_three_at_least_or_as_many_as_are_asked_for() -> None:
    keys = {f"model.key{number}": [1, 2] for number in range(5)} | {"optimizer.rho": [0.9]}
    space = read_space({"name": "s", "search": keys})
    assert [initial_points(asked, space) for asked in (None, 2)] == [5, 2]
    assert initial_points(None, read_space({"name": "s", "search": {"seed": [1, 2]}})) == 3
