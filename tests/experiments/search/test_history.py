from __future__ import annotations

from dataclasses import asdict
from itertools import count
from typing import Any

import pytest

from experiments.search.history import History, part_of
from experiments.search.records import Limits, Rung
from experiments.tracking.journal import Entry
from tests.experiments.search.sweeps import sweep_of

BEGIN: tuple[str, dict[str, Any]] = ("sweep", {"format": 1, "limits": asdict(Limits(9)), **asdict(sweep_of())})
OPENED: tuple[str, dict[str, Any]] = ("opened", {})
PROPOSED = ("proposed", {"trial": 1, "point": {"seed": 3}, "config": {"seed": 3}, "rung": None})
STARTED = ("started", {"trial": 1, "attempt": 1})
FINISHED = ("ended", {"trial": 1, "state": "finished", "score": 0.5, "curve": [0.4, 0.5], "facts": {"run": "a"}})


def told(*entries: tuple[str, dict[str, Any]], seconds: float = 1) -> History:
    """The history of these entries, so many seconds apart."""
    history, numbers = History(), count(1)
    for kind, facts in entries:
        seq = next(numbers)
        history.apply(Entry(seq, int(1000 * seconds * seq), kind, facts))
    return history


def test_a_sweep_and_its_trials_come_out_as_they_were_told() -> None:
    history = told(BEGIN, OPENED, PROPOSED, STARTED, FINISHED)
    assert history.sweep == sweep_of()
    assert history.limits == Limits(9)
    trial = history.trials[0]
    assert (trial.point, trial.config, trial.rung) == ({"seed": 3}, {"seed": 3}, None)
    assert (trial.state, trial.attempts, trial.score, trial.curve) == ("finished", 1, 0.5, (0.4, 0.5))
    assert trial.facts == {"run": "a"}
    assert history.unfinished() == []


def test_a_sweep_of_before_there_was_a_setting_has_the_value_that_it_was_made_with() -> None:
    sweep = asdict(sweep_of())
    for config in (sweep["default"], *(base["config"] for base in sweep["bases"])):
        config.get("data", {}).pop("random_flip", None)
    older = ("sweep", {**BEGIN[1], **sweep})
    proposed = ("proposed", {**PROPOSED[1], "config": {"data": {"name": "sample"}}})
    history = told(older, OPENED, proposed)
    assert history.sweep == sweep_of()
    assert history.trials[0].config == {"data": {"name": "sample", "random_flip": False}}


def test_trials_that_have_not_ended_are_known_in_their_order() -> None:
    second = ("proposed", {**PROPOSED[1], "trial": 2, "rung": asdict(Rung(0, 1, 1, 1, 3))})
    third = ("proposed", {**PROPOSED[1], "trial": 3})
    history = told(BEGIN, OPENED, PROPOSED, second, third, ("started", {"trial": 3, "attempt": 1}), STARTED, FINISHED)
    assert [(trial.number, trial.state) for trial in history.unfinished()] == [(2, "proposed"), (3, "running")]
    assert history.trials[1].rung == Rung(bracket=0, level=1, from_trial=1, initial_epoch=1, epochs=3)
    assert [trial.number for trial in history.ended] == [1]


def test_a_lost_worker_makes_its_trial_wait_again() -> None:
    trial = told(BEGIN, OPENED, PROPOSED, STARTED, ("lost", {"trial": 1, "reason": "killed"})).trials[0]
    assert (trial.state, trial.attempts, trial.lost) == ("proposed", 1, 1)


def test_failures_are_counted_since_the_session_began_and_the_last_success() -> None:
    failed = ("ended", {"trial": 1, "state": "failed", "reason": "x"})
    other = ("proposed", {**PROPOSED[1], "trial": 2})
    fine = ("ended", {**FINISHED[1], "trial": 2})
    assert [trial.number for trial in told(BEGIN, OPENED, PROPOSED, failed).session_failures] == [1]
    assert told(BEGIN, OPENED, PROPOSED, failed, OPENED).session_failures == []
    assert told(BEGIN, OPENED, PROPOSED, other, failed, fine).session_failures == []


def test_the_time_of_all_sessions_is_added_without_the_pauses_between_them() -> None:
    closed = ("closed", {"reason": "Ctrl-C"})
    history = told(BEGIN, OPENED, PROPOSED, closed, OPENED, STARTED, seconds=10)
    assert history.seconds_before == 20  # from the first `opened` to `closed`
    assert history.seconds == 30


def test_limits_can_be_changed() -> None:
    assert told(BEGIN, ("extended", {"max_trials": 20, "max_minutes": 5.0})).limits == Limits(20, 5.0)
    changed = told(BEGIN, ("extended", {"final_seeds": 3}), ("extended", {"reuse": True})).limits
    assert changed == Limits(9, final_seeds=3, reuse=True)


FINAL = ("proposed", {"final": 1, "of": "winner", "point": {"seed": 3}, "config": {"seed": 4}})
FINAL_STARTED = ("started", {"final": 1, "attempt": 1})
FINAL_FINISHED = ("ended", {"final": 1, "state": "finished", "score": 0.5, "curve": [], "facts": {"run_id": "a"}})


def test_final_trainings_are_not_among_the_time_that_a_search_took() -> None:
    history = told(BEGIN, OPENED, PROPOSED, STARTED, FINISHED, FINAL, FINAL_STARTED, FINAL_FINISHED, seconds=10)
    assert history.seconds == 40  # from `opened` to the first of them
    again = told(BEGIN, OPENED, PROPOSED, STARTED, FINISHED, FINAL, OPENED, FINAL_STARTED, seconds=10)
    assert (again.seconds_before, again.seconds) == (40, 50)


def test_final_trainings_have_numbers_of_their_own_and_are_no_trials() -> None:
    history = told(BEGIN, OPENED, PROPOSED, STARTED, FINISHED, FINAL, FINAL_STARTED, FINAL_FINISHED)
    assert [trial.number for trial in history.trials] == history.ended_order == [1]
    assert history.ended == history.trials
    (final,) = history.finals
    assert (final.number, final.of, final.config, final.rung) == (1, "winner", {"seed": 4}, None)
    assert (final.state, final.attempts, final.score, final.facts) == ("finished", 1, 0.5, {"run_id": "a"})
    assert history.trials[0].of == ""
    assert (history.part("trial"), history.part("final")) == (history.trials, history.finals)


def test_final_trainings_that_have_not_ended_are_known_apart() -> None:
    second = ("proposed", {**FINAL[1], "final": 2})
    lost = ("lost", {"final": 1, "reason": "killed"})
    history = told(BEGIN, OPENED, PROPOSED, FINAL, second, FINAL_STARTED, lost, ("started", {"final": 2, "attempt": 1}))
    assert [(final.number, final.state) for final in history.unfinished("final")] == [(1, "proposed"), (2, "running")]
    assert history.finals[0].lost == 1
    assert [trial.number for trial in history.unfinished()] == [1]


def test_final_trainings_that_fail_are_failures_of_the_session() -> None:
    failed = ("ended", {"final": 1, "state": "failed", "reason": "x"})
    assert [final.of for final in told(BEGIN, OPENED, FINAL, failed).session_failures] == ["winner"]


@pytest.mark.parametrize(("entry", "part"), [(OPENED, ""), (STARTED, "trial"), (FINAL_STARTED, "final")])
def test_an_entry_is_about_one_part_or_about_the_whole(entry: tuple[str, dict[str, Any]], part: str) -> None:
    assert part_of(Entry(1, 0, *entry)) == part


@pytest.mark.parametrize(
    "entries",
    [
        [OPENED],
        [BEGIN, BEGIN],
        [("sweep", {**BEGIN[1], "format": 2})],
        [BEGIN, ("prposed", {})],
        [BEGIN, ("apply", {})],
        [BEGIN, ("proposed", {**PROPOSED[1], "trial": 2})],
        [BEGIN, PROPOSED, PROPOSED],
        [BEGIN, STARTED],
        [BEGIN, PROPOSED, ("started", {"trial": 0, "attempt": 1})],
        [BEGIN, PROPOSED, FINISHED, FINISHED],
        [BEGIN, PROPOSED, FINISHED, STARTED],
        [BEGIN, PROPOSED, ("ended", {"trial": 1, "state": "running"})],
        [BEGIN, FINAL_STARTED],
        [BEGIN, PROPOSED, FINAL_STARTED],
        [BEGIN, FINAL, FINAL],
        [BEGIN, ("proposed", {**FINAL[1], "final": 2})],
        [BEGIN, FINAL, FINAL_FINISHED, FINAL_STARTED],
        [BEGIN, ("proposed", {"of": "winner", "point": {}, "config": {}})],
        [BEGIN, PROPOSED, ("ended", {"trial": 1, "state": "finished", "mood": "good"})],
    ],
)
def test_what_cannot_have_happened_is_refused(entries: list[tuple[str, dict[str, Any]]]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        told(*entries)
