"""What the charts of a page show, as Plotly will draw it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cifar.evaluation import evaluate
from experiments.results.boards import boards
from experiments.results.page.charts import Drawn, confusion_chart, curves_chart, mean_curve, scatter_chart
from tests.experiments.results.recorded import recorded


def test_the_mean_of_curves_is_of_the_runs_that_got_so_far() -> None:
    assert mean_curve([[(1, 0.25), (2, 0.5)], [(1, 0.75)], []]) == [(1, 0.5), (2, 0.5)]
    assert mean_curve([[(1, math.nan), (2, 1.0)]]) == [(2, 1.0)]


def test_validation_is_a_line_and_training_dots_of_the_same_colour() -> None:
    group = Drawn("a", {"accuracy": [(1, 0.25), (2, 0.5)], "val_accuracy": [(1, 0.5), (2, 0.75)]}, 3)
    chart = curves_chart([group], "accuracy")
    assert chart
    validation, training = chart["data"]
    assert (validation["x"], validation["y"], training["y"]) == ([1, 2], [50, 75], [25, 50])
    assert (validation["line"]["dash"], training["line"]["dash"]) == ("solid", "dot")
    assert validation["line"]["color"] == training["line"]["color"]
    assert (validation["showlegend"], training["showlegend"]) == (True, False)
    assert validation["customdata"][0] == "a<br>validation, n = 3"


def test_a_training_without_validation_images_has_its_name_in_the_legend_once() -> None:
    chart = curves_chart([Drawn("a", {"loss": [(1, 2.0)]})], "loss")
    assert chart
    (only,) = chart["data"]
    assert (only["y"], only["showlegend"], only["mode"]) == ([2.0], True, "lines+markers")


def test_without_curves_there_is_no_chart() -> None:
    assert curves_chart([Drawn("a")], "loss") is None
    assert scatter_chart([], "time") is None
    assert scatter_chart(boards([recorded(0.6)]), "time") is None


def test_a_hostile_name_is_text_in_a_chart() -> None:
    chart = curves_chart([Drawn("<script>alert(1)</script>", {"loss": [(1, 2.0)]})], "loss")
    assert chart
    assert "<script>" not in str(chart)


def test_accuracy_is_drawn_against_time_and_size_validation_filled_test_hollow() -> None:
    measured = {"training_seconds": 120.0, "parameters": 181_162.0}
    found = boards([recorded(0.6, 0.5, metrics=measured)])
    time, size = scatter_chart(found, "time"), scatter_chart(found, "parameters")
    assert time
    assert size
    assert [(t["x"], t["y"], t["marker"]["symbol"]) for t in time["data"]] == [
        ([2.0], [60.0], "circle"),
        ([2.0], [50.0], "diamond-open"),
    ]
    assert size["data"][0]["x"] == [181_162]
    assert "validation 60.00 %, n = 1" in time["data"][0]["customdata"][0]


def test_networks_have_colours_of_their_own() -> None:
    runs = [recorded(0.6, metrics={"training_seconds": 60.0}, model__name=f"model{n}") for n in (1, 2, 3)]
    chart = scatter_chart(boards(runs), "time")
    assert chart
    assert len({trace["marker"]["color"] for trace in chart["data"]}) == 3


def confusion(chart: dict[str, Any]) -> Any:
    (heatmap,) = chart["data"]
    return heatmap


def test_a_row_of_the_confusion_matrix_is_what_became_of_a_class() -> None:
    labels = np.array([0, 0, 0, 0, 1])
    answers = evaluate(np.eye(10)[[0, 0, 0, 8, 1]], labels)
    heatmap = confusion(confusion_chart(answers))
    assert heatmap["z"][0] == pytest.approx([75, 0, 0, 0, 0, 0, 0, 0, 25, 0])
    assert heatmap["text"][0][:2] == ["3", ""]
    assert heatmap["z"][5] == [0] * 10  # a class without images
