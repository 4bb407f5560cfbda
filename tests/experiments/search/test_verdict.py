from __future__ import annotations

import json
from dataclasses import replace

import pytest

from experiments.results.statistics import Difference, Summary
from experiments.search.finals import Verdict
from experiments.search.records import Trial
from experiments.search.verdict import as_metrics, as_plain, in_words

FOUND = Verdict(
    winner=Trial(7, {"optimizer": "sgd", "optimizer.learning_rate": 0.01}, {}),
    compared=True,
    scores=Summary(3, 0.7234, 0.0123),
    default=Summary(3, 0.68, 0.0265),
    difference=Difference(0.0434, 0.01, 0.0769),
    settings=20,
    seeds=(1, 2, 3),
    failed=0,
    looks=6,
)

END = (
    "chosen among 20 settings, by validation only; trained again on seeds that chose nothing (1, 2, 3); "
    "this sweep looked at the test images 6 times, once after each training of its own"
)


def test_the_words_tell_both_scores_the_difference_with_its_interval_and_how_many_were_tried() -> None:
    assert in_words(FOUND).splitlines() == [
        "winner, trial 7 (optimizer=sgd optimizer.learning_rate=0.01): test accuracy 72.34 ± 1.23 % (n = 3)",
        "default, with nothing searched: test accuracy 68.00 ± 2.65 % (n = 3)",
        "the winner is better by 4.34 points, 95 % interval +1.00 to +7.69",
        END,
    ]


@pytest.mark.parametrize(("difference", "said"), [
    (Difference(0.01, -0.002, 0.022),
     "the winner is better by 1.00 points, 95 % interval -0.20 to +2.20: these seeds do not tell the two apart"),
    (Difference(-0.03, -0.04, -0.02), "the winner is worse by 3.00 points, 95 % interval -4.00 to -2.00"),
    (Difference(-0.005, -0.01, 0.0),
     "the winner is worse by 0.50 points, 95 % interval -1.00 to +0.00: these seeds do not tell the two apart"),
    (Difference(0.125, None, None),
     "the winner is better by 12.50 points; the seeds do not differ, and no interval can be given"),
])  # fmt: skip
def test_the_words_say_how_sure_the_difference_is(difference: Difference, said: str) -> None:
    assert in_words(replace(FOUND, difference=difference)).splitlines()[2] == said


def test_a_single_score_has_no_deviation_and_gives_no_interval() -> None:
    alone = replace(FOUND, scores=Summary(1, 0.5, None), difference=Difference(0.125, None, None))
    first, _, third, *_ = in_words(alone).splitlines()
    assert first.endswith(": test accuracy 50.00 % (n = 1)")
    assert third == "the winner is better by 12.50 points; a single seed gives no interval"


def test_where_the_winner_is_the_default_there_is_nothing_to_compare() -> None:
    alone = replace(FOUND, compared=False, default=None, difference=None, looks=3)
    assert in_words(alone).splitlines()[1:] == [
        "the default has the same settings: there is nothing to compare it with",
        END.replace("6 times", "3 times"),
    ]


def test_trainings_that_failed_are_told() -> None:
    lines = in_words(replace(FOUND, default=None, difference=None, failed=3, looks=3)).splitlines()
    assert lines[1] == "default, with nothing searched: no test accuracy, since every training failed"
    assert "chose nothing (1, 2, 3); 3 of them failed; this sweep looked at the test images 3 times" in lines[2]


def test_programs_get_the_same_as_shares() -> None:
    assert json.loads(json.dumps(as_plain(FOUND), allow_nan=False)) == {
        "winner": {"trial": 7, "settings": {"optimizer": "sgd", "optimizer.learning_rate": 0.01}},
        "test_accuracy": {
            "winner": {"n": 3, "mean": 0.7234, "deviation": 0.0123},
            "default": {"n": 3, "mean": 0.68, "deviation": 0.0265},
            "difference": {"mean": 0.0434, "low": 0.01, "high": 0.0769},
        },
        "interval": "95 %, Welch's t over seeds",
        "settings_tried": 20,
        "seeds": [1, 2, 3],
        "failed": 0,
        "looks_at_test_images": 6,
    }
    nothing = as_plain(replace(FOUND, scores=None, default=None, difference=None))
    assert nothing["test_accuracy"] == {"winner": None, "default": None, "difference": None}


def test_metrics_are_those_that_there_are() -> None:
    assert as_metrics(FOUND) == {
        "winner_test_accuracy": 0.7234,
        "default_test_accuracy": 0.68,
        "test_accuracy_difference": 0.0434,
        "test_accuracy_difference_low": 0.01,
        "test_accuracy_difference_high": 0.0769,
    }
    single = replace(FOUND, difference=Difference(0.1, None, None))
    assert as_metrics(single).keys() == {
        "winner_test_accuracy", "default_test_accuracy", "test_accuracy_difference",
    }  # fmt: skip
    assert as_metrics(replace(FOUND, scores=None, default=None, difference=None)) == {}
