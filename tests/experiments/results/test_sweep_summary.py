"""A sweep in a few words."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.results.sorting import SweepRuns
from experiments.results.sweep_summary import summarize_sweep, verdict_in_words
from tests.experiments.results.recorded import sweep_run, trial

S = "s" * 32
VERDICT: dict[str, Any] = {
    "winner": {"trial": 16, "settings": {"optimizer": "nadam", "optimizer.learning_rate": 0.0004}},
    "test_accuracy": {
        "winner": {"n": 3, "mean": 0.6163, "deviation": 0.0047},
        "default": {"n": 3, "mean": 0.5991, "deviation": 0.0039},
        "difference": {"mean": 0.0172, "low": 0.0072, "high": 0.0272},
    },
    "settings_tried": 54,
    "seeds": [1, 2, 3],
    "looks_at_test_images": 6,
}


def test_trials_are_counted_by_what_became_of_them() -> None:
    trials = (
        trial(1, 0.5, S),
        trial(2, 0.6, S, tags={"sweep.pruned": "why"}),
        trial(3, None, S, status="FAILED"),
        trial(4, None, S, status="RUNNING"),
    )
    found = summarize_sweep(SweepRuns("optimizers", sweep_run(), trials))
    assert (found.trials, found.pruned, found.failed, found.going_on) == (4, 1, 1, 1)
    assert (found.best, found.score) == (trials[1], 0.6)  # a pruned trial counts by its best epoch, as in the sweep


def test_of_equal_trials_the_first_is_best() -> None:
    trials = (trial(1, 0.5, S), trial(2, 0.5, S))
    assert summarize_sweep(SweepRuns("optimizers", None, trials)).best is trials[0]


def test_a_loss_is_best_where_it_is_least() -> None:
    trials = tuple(trial(n, None, S, sweep__x=n) for n in (1, 2))
    for run, loss in zip(trials, (1.5, 1.2), strict=True):
        run.metrics["val_loss"] = loss  # type: ignore[index]
    found = summarize_sweep(SweepRuns("depth", sweep_run(sweep__objective="val_loss"), trials))
    assert (found.best, found.score, found.objective) == (trials[1], 1.2, "val_loss")


def test_a_loss_counts_by_its_best_epoch_where_the_trial_kept_it() -> None:
    trials = tuple(trial(n, None, S, sweep__x=n) for n in (1, 2))
    for run, last, best in zip(trials, (1.2, 0.95), (0.8, 0.9), strict=True):
        run.metrics.update({"val_loss": last, "best_val_loss": best})  # type: ignore[attr-defined]
    found = summarize_sweep(SweepRuns("depth", sweep_run(sweep__objective="val_loss"), trials))
    assert (found.best, found.score) == (trials[0], 0.8)


def test_a_sweep_without_scores_has_no_best() -> None:
    found = summarize_sweep(SweepRuns("optimizers", sweep_run(), ()))
    assert (found.best, found.score, found.verdict, found.difference) == (None, None, (), "")


def test_a_verdict_is_told_in_sentences() -> None:
    assert verdict_in_words(VERDICT) == [
        "The winner, trial 16 (optimizer=nadam optimizer.learning_rate=0.0004), has a test accuracy of "
        "61.63 \N{PLUS-MINUS SIGN} 0.47 % (n = 3).",
        "The default, with nothing searched, has a test accuracy of 59.91 \N{PLUS-MINUS SIGN} 0.39 % (n = 3).",
        "The winner is better by 1.72 points, 95 % interval +0.72 to +2.72.",
        "Chosen among 54 settings by validation only, trained again on 3 other seeds; the sweep looked at the test "
        "images 6 times.",
    ]


def test_a_verdict_that_leaves_it_open_says_so() -> None:
    def told(**difference: float | None) -> str:
        scores = VERDICT["test_accuracy"] | {"difference": difference}
        return summarize_sweep(SweepRuns("a", None, ()), VERDICT | {"test_accuracy": scores}).difference

    doubt = told(mean=-0.01, low=-0.03, high=0.01)
    assert doubt == (
        "The winner is worse by 1.00 points, 95 % interval -3.00 to +1.00: these seeds do not tell the two apart."
    )
    assert told(mean=0.01, low=None, high=None) == (
        "The winner is better by 1.00 points; the seeds do not differ, so there is no interval."
    )


def test_a_single_seed_gives_no_interval() -> None:
    scores = VERDICT["test_accuracy"] | {
        "winner": {"n": 1, "mean": 0.6, "deviation": None},
        "difference": {"mean": 0.01, "low": None, "high": None},
    }
    told = summarize_sweep(SweepRuns("a", None, ()), VERDICT | {"test_accuracy": scores}).difference
    assert told == "The winner is better by 1.00 points; a single seed gives no interval."


@pytest.mark.parametrize("other", [{}, {"winner": 1}, {"winner": None, "test_accuracy": []}, {"test_accuracy": {}}])
def test_what_is_no_verdict_tells_nothing(other: dict[str, Any]) -> None:
    assert verdict_in_words(other) == []


def test_a_verdict_of_an_older_version_tells_what_it_has() -> None:
    old = {key: value for key, value in VERDICT.items() if key != "looks_at_test_images"}
    assert verdict_in_words(old)[-1].endswith("trained again on 3 other seeds.")


def test_without_a_default_and_with_failures_a_verdict_is_shorter() -> None:
    scores = {"winner": None, "default": None, "difference": None}
    lines = verdict_in_words(VERDICT | {"test_accuracy": scores})
    assert len(lines) == 2
    assert "no test accuracy, since every training failed" in lines[0]
