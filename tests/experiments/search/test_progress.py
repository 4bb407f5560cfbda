from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from experiments.search.progress import SweepProgress, ended_line
from experiments.search.records import Limits
from experiments.tracking.journal import Entry
from tests.experiments.search.test_board import history_of, trial


def test_it_tells_how_far_a_sweep_is_the_best_so_far_and_the_time_left() -> None:
    history = history_of(trial(1, 0.5), trial(2, 0.612), replace(trial(3, None), state="running"))
    history.limits = Limits(10)
    shown = io.StringIO()
    with SweepProgress(Console(file=shown, width=200)) as progress:
        progress.workers = 2
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
