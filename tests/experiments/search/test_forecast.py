"""How long a sweep takes, where the speed of every network is given."""

from __future__ import annotations

import pytest

from cifar.config import DataConfig, RunConfig, TrainingConfig
from experiments.search import forecast as module
from experiments.search.config import WorkersConfig
from experiments.search.forecast import (
    FINAL_SECONDS,
    START_SECONDS,
    TRIAL_SECONDS,
    Crew,
    Forecast,
    crew_of,
    forecast,
    in_words,
    roughly,
    shared_out,
)
from experiments.search.preview import Foreseen
from experiments.search.records import Limits
from experiments.speed import Speed

TENTH = Speed(training=450.0, validation=1000.0)
"""An epoch of 45,000 and 5,000 images takes 105 s."""


def trial(epochs: int, before: int = 0, **training: float) -> Foreseen:
    run = RunConfig(training=TrainingConfig(epochs=epochs, **training), data=DataConfig(validation_size=5000))
    return Foreseen(1, "", epochs - before, 0, run)


def test_a_sweep_takes_its_epochs_shared_out_and_what_is_around_them() -> None:
    trials, default = [trial(2), trial(2), trial(2)], trial(1).run
    found = forecast(trials, default, Limits(3, final_seeds=2), lambda run: TENTH, 2)
    assert found.search == pytest.approx(START_SECONDS + 2 * (TRIAL_SECONDS + 210)), "the third one has no company"
    assert found.finals == pytest.approx(2 * FINAL_SECONDS + 210 + 105), "each worker trains a winner and a default"
    assert (found.trials, found.begun) == (3, 3)


def test_each_run_has_its_own_speed_and_the_winner_is_taken_to_be_the_dearest() -> None:
    trials = [trial(1), trial(3)]
    speeds = {1: TENTH, 3: Speed(4500.0, 10_000.0), 2: TENTH}
    found = forecast(trials, trial(2).run, Limits(2, final_seeds=1), lambda run: speeds[run.training.epochs], 1)
    assert found.search == pytest.approx(START_SECONDS + 2 * TRIAL_SECONDS + 105 + 31.5)
    assert found.finals == pytest.approx(2 * FINAL_SECONDS + 105 + 210)


def test_a_trial_that_goes_on_from_a_rung_takes_what_it_adds_and_a_winner_of_that_rung_all() -> None:
    found = forecast([trial(9, before=3)], trial(1).run, Limits(1, final_seeds=1), lambda run: TENTH, 1)
    assert found.search == pytest.approx(START_SECONDS + TRIAL_SECONDS + 6 * 105)
    assert found.finals == pytest.approx(2 * FINAL_SECONDS + 9 * 105 + 105)


def test_a_run_that_is_limited_takes_no_longer() -> None:
    found = forecast([trial(9, max_minutes=1.0)], trial(1).run, Limits(1), lambda run: TENTH, 1)
    assert (found.search, found.finals) == (pytest.approx(START_SECONDS + TRIAL_SECONDS + 60), 0)


def test_no_trial_begins_when_the_minutes_are_over() -> None:
    assert shared_out([10, 30, 10, 10, 10], 2) == (40, 5)
    assert shared_out([10, 30, 10, 10, 10], 2, longest=20) == (30, 3)
    found = forecast([trial(1)] * 5, trial(1).run, Limits(5, max_minutes=3), lambda run: TENTH, 1)
    assert (found.begun, found.search) == (2, pytest.approx(START_SECONDS + 2 * (TRIAL_SECONDS + 105)))


@pytest.mark.parametrize(
    ("address", "count", "gpus", "trials", "crew"),
    [
        (None, None, 0, 20, Crew(4, 4, "with 4 workers on this machine")),
        (None, 1, 0, 20, Crew(1, 1, "with 1 worker on this machine")),
        (None, None, 0, 3, Crew(3, 3, "with 4 workers on this machine")),
        (None, 16, 0, 20, Crew(4, 4, "with 16 workers on this machine")),
        (None, None, 2, 20, Crew(2, 1, "with 2 workers on this machine, timed with one")),
        ("tcp://a:1", 8, 0, 20, Crew(8, 1, "with 8 workers as fast as this machine, where it was timed")),
        (
            "tcp://a:1",
            None,
            0,
            20,
            Crew(1, 1, "with 1 worker as fast as this machine, where it was timed, more take less"),
        ),
    ],
)
def test_it_is_timed_as_it_would_run(
    address: str | None, count: int | None, gpus: int, trials: int, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "gpus", lambda device: ["0"] * gpus)
    monkeypatch.setattr(module, "count_workers", lambda config, device: config.count or gpus or 4)
    assert crew_of(WorkersConfig(address=address, count=count), "auto", trials) == crew


def test_all_of_it_is_a_line() -> None:
    crew, found = Crew(2, 2, "with 2 workers on this machine"), Forecast(22 * 60 + 10, 130, 20, 20)
    assert in_words(found, crew, Limits(20, final_seeds=3)) == (
        "about 24 min with 2 workers on this machine (22 min the search, at most 2 min the final trainings); "
        "trials that are pruned, fail or are reused take less"
    )
    told = in_words(Forecast(60, 0, 20, 9), crew, Limits(20, max_minutes=1.5))
    assert told.startswith("about 60 s with 2 workers on this machine (60 s the search, no final trainings); ")
    assert told.endswith("take less; no trial begins after sweep.max_minutes=1.5: 9 of 20 will")
    assert in_words(found, crew, Limits(20, 60)).endswith("; no trial begins after sweep.max_minutes=60")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "5 s"),
        (62, "60 s"),
        (95, "2 min"),
        (5900, "98 min"),
        (7200, "2 h"),
        (8000, "2 h 10 min"),
        (200_000, "2 days"),
    ],
)
def test_an_estimate_has_few_digits(seconds: float, words: str) -> None:
    assert roughly(seconds) == words
