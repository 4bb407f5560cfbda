from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from experiments.search.finals import next_wanted
from experiments.search.history import History
from experiments.search.progress import SweepProgress, ended_line
from experiments.search.records import Limits, Trial
from experiments.tracking.journal import Entry
from tests.experiments.search.test_board import history_of, trial


def test_it_tells_how_far_a_sweep_is_the_best_so_far_and_the_time_left() -> None:
    history = history_of(trial(1, 0.5), trial(2, 0.612), replace(trial(3, None), state="running"))
    history.limits = Limits(10)
    shown = io.StringIO()
    with SweepProgress(Console(file=shown, width=200)) as progress:
        progress.workers = lambda: 2
        assert "left" not in progress.standing(history)
        for number in (1, 2, 3):
            progress.look(Entry(1, 1_000, "started", {"trial": number}), history)
        progress.look(Entry(1, 31_000, "ended", {"trial": 1}), history)
        progress.look(Entry(1, 31_000, "ended", {"trial": 2}), history)
        assert progress.standing(history) == (
            "2 of 10 trials done, 1 running, best val_accuracy 61.20% (trial 2), about 2 min 0 s left"
        )
    assert shown.getvalue() == "trial 1 of 10: val_accuracy 50.00%; \ntrial 2 of 10: val_accuracy 61.20%; \n"


def test_a_line_says_why_a_trial_failed_or_was_stopped_and_with_which_settings() -> None:
    history = history_of()
    history.limits = Limits(5)
    pruned = replace(trial(1, 0.1, "pruned", "too low"), point={"model.dropout_rate": 0.5})
    assert ended_line(pruned, history) == (
        "trial 1 of 5: val_accuracy 10.00%, stopped early: too low; model.dropout_rate=0.5"
    )
    failed = replace(pruned, state="failed", reason="ArithmeticError: NaN", number=2)
    assert ended_line(failed, history) == "trial 2 of 5: failed: ArithmeticError: NaN; model.dropout_rate=0.5"


def test_it_says_that_a_trial_is_tried_again() -> None:
    history = history_of(trial(1, 0.5))
    shown = io.StringIO()
    with SweepProgress(Console(file=shown, width=200)) as progress:
        progress.look(Entry(1, 0, "lost", {"trial": 1, "reason": "its worker died"}), history)
    assert "trial 1 of 0: its worker died; trying it again" in shown.getvalue()


def ending(seeds: int = 2) -> History:
    """A search that is done; its default has other settings than its winner."""
    history = history_of(trial(1, 0.5), trial(2, 0.6))
    history.limits = Limits(2, final_seeds=seeds)
    assert history.sweep is not None
    default = {**history.trials[0].config, "model": {"name": "model9"}}
    history.sweep = replace(history.sweep, default=default)
    return history


def begin_final(history: History) -> Trial:
    """The next one that is wanted runs."""
    item = next_wanted(history)
    assert item is not None
    final = Trial(len(history.finals) + 1, item.point, item.config, state="running", of=item.of)
    history.finals.append(final)
    return final


def test_while_the_search_goes_on_it_says_what_comes_after_it() -> None:
    history = ending()
    history.trials.append(replace(trial(3, None), state="running"))
    history.limits = Limits(10, final_seeds=2)
    with SweepProgress(Console(file=io.StringIO(), width=200)) as progress:
        for number in (1, 2, 3):
            progress.look(Entry(1, 1_000, "started", {"trial": number}), history)
        progress.look(Entry(1, 31_000, "ended", {"trial": 1}), history)
        assert progress.standing(history).endswith("about 4 min 0 s left, then the final trainings")


def test_in_the_end_it_tells_how_many_final_trainings_are_done_and_the_time_left() -> None:
    history = ending()
    shown = io.StringIO()
    with SweepProgress(Console(file=shown, width=200)) as progress:
        progress.workers = lambda: 2
        first, second = begin_final(history), begin_final(history)
        for number in (1, 2):
            progress.look(Entry(1, 1_000, "started", {"final": number}), history)
        assert progress.standing(history) == "the search is done; 0 of 4 final trainings done"
        history.finals[0] = replace(first, state="finished", score=0.5, facts={"test_accuracy": 0.5123})
        progress.look(Entry(1, 41_000, "ended", {"final": 1}), history)
        assert progress.standing(history) == ("the search is done; 1 of 4 final trainings done, about 1 min 0 s left")
        history.finals[1] = replace(second, state="failed", reason="OSError: no")
        progress.look(Entry(1, 61_000, "ended", {"final": 2}), history)
        assert progress.standing(history) == ("the search is done; 2 of 4 final trainings done, about 50 s left")
    assert shown.getvalue() == (
        "final training 1, the winner on seed 1: test accuracy 51.23%\n"
        "final training 2, the default on seed 1: failed: OSError: no\n"
    )


def test_final_trainings_are_not_taken_for_trials_of_the_same_number() -> None:
    history = ending()
    with SweepProgress(Console(file=io.StringIO(), width=200)) as progress:
        progress.look(Entry(1, 1_000, "started", {"trial": 1}), history)
        progress.look(Entry(1, 2_000, "ended", {"trial": 1}), history)
        final = begin_final(history)
        progress.look(Entry(1, 3_000, "started", {"final": 1}), history)
        history.finals[0] = replace(final, state="finished", facts={"test_accuracy": 0.5})
        progress.look(Entry(1, 13_000, "ended", {"final": 1}), history)
        assert progress.standing(history).endswith("1 of 4 final trainings done, about 30 s left")


def test_it_says_that_a_final_training_is_tried_again() -> None:
    history = ending()
    begin_final(history)
    shown = io.StringIO()
    with SweepProgress(Console(file=shown, width=200)) as progress:
        progress.look(Entry(1, 0, "lost", {"final": 1, "reason": "its worker died"}), history)
    assert "final training 1, the winner on seed 1: its worker died; trying it again" in shown.getvalue()


def test_a_line_says_what_was_taken_over_and_from_which_run() -> None:
    history = ending()
    taken = replace(trial(1, 0.5), point={"seed": 3}, facts={"reused": "0123456789abcdef"})
    assert ended_line(taken, history) == (
        "trial 1 of 2: val_accuracy 50.00%; taken over from run 01234567, which is equal; seed=3"
    )
    final = replace(begin_final(history), state="finished", facts={"test_accuracy": 0.5, "reused": "0123456789abcdef"})
    assert ended_line(final, history) == (
        "final training 1, the winner on seed 1: test accuracy 50.00%, taken over from run 01234567, which is equal"
    )
