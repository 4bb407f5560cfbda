from __future__ import annotations

import io

import numpy as np
import pytest

from experiments.results.sweep_figures import ScoredTrial, best_so_far, parallel_coordinates, score_by_setting

TRIALS = [
    ScoredTrial({"optimizer": "sgd", "optimizer.learning_rate": 0.3, "optimizer.nesterov": True}, 0.5, 1.0),
    ScoredTrial({"optimizer": "adam", "optimizer.learning_rate": 0.001}, 0.6, 2.0),
    ScoredTrial({"optimizer": "sgd", "optimizer.learning_rate": 0.01, "optimizer.nesterov": False}, 0.4, 3.0, True),
]


@pytest.mark.parametrize(("sign", "best"), [(1, [0.5, 0.6, 0.6]), (-1, [0.5, 0.5, 0.4])])
def test_the_best_so_far_never_gets_worse(sign: int, best: list[float]) -> None:
    (axes,) = best_so_far(TRIALS, "val_accuracy", sign).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), best)
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1.0, 2.0, 3.0])


def test_each_setting_has_a_plot_of_the_trials_that_have_it() -> None:
    shown = [axes for axes in score_by_setting(TRIALS, "val_accuracy").axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == [
        "optimizer",
        "optimizer.learning_rate",
        "optimizer.nesterov",
    ]
    assert [len(axes.collections[0].get_offsets()) for axes in shown] == [3, 3, 2]
    assert [axes.get_xscale() for axes in shown] == ["linear", "log", "linear"]
    assert [text.get_text() for text in shown[0].get_xticklabels()] == ["adam", "sgd"]


def test_a_line_for_each_trial_goes_through_its_settings_to_its_score_the_best_on_top() -> None:
    figure = parallel_coordinates(TRIALS, "val_accuracy", 1)
    (axes,) = figure.axes
    lines = [line for line in axes.lines if max(line.get_xdata()) == 3 and min(line.get_xdata()) == 0]
    np.testing.assert_allclose([line.get_ydata()[-1] for line in lines], [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(lines[-1].get_xdata(), [0, 1, 3])  # adam has no nesterov
    np.testing.assert_array_equal(lines[-1].get_ydata(), [0.0, 0.0, 1.0])
    figure.savefig(io.BytesIO())


def test_one_trial_can_be_drawn_too() -> None:
    for figure in (
        best_so_far(TRIALS[:1], "a", 1),
        score_by_setting(TRIALS[:1], "a"),
        parallel_coordinates(TRIALS[:1], "a", 1),
    ):
        figure.savefig(io.BytesIO())
