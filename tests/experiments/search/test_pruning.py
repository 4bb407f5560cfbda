from __future__ import annotations

from collections.abc import Sequence

import pytest

from experiments.search.config import PruningConfig
from experiments.search.pruning import Bar, Bars, set_bars
from experiments.search.records import Trial


def trials(*curves: Sequence[float | None], state: str = "finished") -> list[Trial]:
    return [Trial(number, {}, {}, state=state, curve=tuple(curve)) for number, curve in enumerate(curves, 1)]


MEDIAN = PruningConfig(rule="median", first_epoch=2, min_trials=3)
HALVING = PruningConfig(rule="halving", first_epoch=1, min_trials=3, factor=3)


def test_without_a_rule_nothing_stops() -> None:
    bars = set_bars(PruningConfig(), "val_accuracy", trials([0.9] * 9, [0.9] * 9, [0.9] * 9), 99)
    assert bars == Bars("val_accuracy")
    assert bars.verdict([0.1] * 5) is None


def test_the_median_rule_stops_what_is_below_the_median_of_the_others() -> None:
    bars = set_bars(MEDIAN, "val_accuracy", trials([0.1, 0.5, 0.4], [0.2, 0.3, 0.6], [0.3, 0.2, 0.8]), 99)
    assert [(bar.epoch, bar.value) for bar in bars.bars] == [(2, 0.3), (3, 0.6)]
    assert bars.verdict([0.0]) is None, "the first epoch is too early to tell"
    assert bars.verdict([0.0, 0.3]) is None, "as good as the median goes on"
    assert bars.verdict([0.3, 0.0]) is None, "the best epoch so far counts, not the last"
    assert bars.verdict([0.0, 0.29]) == ("val_accuracy 0.2900 after epoch 2 is below the median of 3 others (0.3000)")
    assert bars.verdict([0.0, 0.3, 0.59, 0.1]) is None, "the others did not come as far"


def test_where_less_is_better_it_stops_what_is_above() -> None:
    bars = set_bars(MEDIAN, "val_loss", trials([2.0, 1.0], [2.0, 1.5], [2.0, 1.8]), 99)
    assert bars.verdict([9.0, 1.5]) is None
    assert bars.verdict([9.0, 1.6]) == "val_loss 1.6000 after epoch 2 is above the median of 3 others (1.5000)"


def test_halving_lets_the_best_third_go_on() -> None:
    curves = [[0.1 * place] * 10 for place in range(1, 7)]
    bars = set_bars(HALVING, "val_accuracy", trials(*curves), 99)
    assert [bar.epoch for bar in bars.bars] == [1, 3, 9]
    assert bars.verdict([0.5]) is None
    assert bars.verdict([0.49]) == "val_accuracy 0.4900 after epoch 1 is below the best 2 of 6 others (0.5000)"
    assert bars.verdict([0.5, 0.0]) is None
    assert bars.verdict([0.45, 0.45, 0.45]) is not None


def test_failed_trials_do_not_judge_and_pruned_ones_do() -> None:
    assert set_bars(MEDIAN, "val_accuracy", trials(*[[0.9] * 5] * 5, state="failed"), 99).bars == ()
    assert set_bars(MEDIAN, "val_accuracy", trials(*[[0.9] * 5] * 5, state="running"), 99).bars == ()
    assert len(set_bars(MEDIAN, "val_accuracy", trials(*[[0.9] * 5] * 5, state="pruned"), 99).bars) == 4


def test_too_few_others_judge_nothing() -> None:
    assert set_bars(MEDIAN, "val_accuracy", trials([0.9] * 5, [0.9] * 5), 99).bars == ()
    uneven = trials([0.9] * 5, [0.9] * 5, [0.9] * 3)
    assert [bar.epoch for bar in set_bars(MEDIAN, "val_accuracy", uneven, 99).bars] == [2, 3]


def test_after_its_last_epoch_a_trial_is_not_stopped() -> None:
    others = trials([0.9] * 5, [0.9] * 5, [0.9] * 5)
    assert [bar.epoch for bar in set_bars(MEDIAN, "val_accuracy", others, 4).bars] == [2, 3]
    assert set_bars(MEDIAN, "val_accuracy", others, 1).bars == ()


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_what_is_no_number_is_worse_than_any_number(nothing: float | None) -> None:
    bars = set_bars(MEDIAN, "val_loss", trials([nothing, nothing, 1.0], [1.0] * 3, [nothing, 2.0, 2.0]), 99)
    assert [bar.value for bar in bars.bars] == [2.0, 1.0]
    assert Bars("val_loss", (Bar(2, 2.0, "too much"),)).verdict([float("nan"), 1.0]) is None
    assert Bars("val_loss", (Bar(1, 2.0, "too much"),)).verdict([float("nan")]) == (
        "val_loss nan after epoch 1 is too much (2.0000)"
    )
