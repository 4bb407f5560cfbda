"""The table of benchmarks.accuracy, and what was to be reached."""

from typing import Any

import pytest

from benchmarks.accuracy_report import report_of, sum_up


def trained(seconds: float, accuracy: float) -> dict[str, float]:
    return {"training_seconds": seconds, "command_seconds": seconds + 10, "test_accuracy": accuracy}


def models(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> dict[str, Any]:
    trainings = {"ours": [trained(*one) for one in ours], "document": [trained(*one) for one in theirs]}
    return {"model1": {"others_cpu": [0.01], "trainings": trainings}}


def test_a_ratio_is_taken_within_a_seed_and_else_with_the_median() -> None:
    found = models([(10.0, 0.64), (20.0, 0.64), (30.0, 0.64)], [(40.0, 0.6), (60.0, 0.6)])
    assert sum_up(found)["faster_than"]["model1"] == {"median": 3.0, "min": 1.67, "max": 4.0}


@pytest.mark.parametrize(
    ("seconds", "least", "reached"),
    [(10.0, 0.6305, [True, True]), (10.0, 0.63, [False, False]), (10.1, 0.65, [True, False])],
)
def test_speed_counts_only_with_the_document_s_accuracy_on_every_seed(
    seconds: float, least: float, reached: list[bool]
) -> None:
    found = sum_up(models([(seconds, 0.66), (seconds, least), (seconds, 0.66)], [(30.0, 0.63)]))
    assert [goal["reached"] for goal in found["goals"]] == reached


def test_the_table_has_both_recipes_with_seeds_and_accuracies() -> None:
    found = models([(10.0, 0.64), (20.0, 0.66)], [(60.0, 0.63)])
    results = {
        "date": "2026-01-01T00:00:00+00:00",
        "commit": "abc",
        "command": "python -m benchmarks.accuracy",
        "machine": {"cpu": "a processor", "cores": 2, "memory_gb": 8.0},
        "versions": {"python": "3.11"},
        "busy_ok": False,
        "before": {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.01},
        "data": "cifar10",
        "images": None,
        "models": found,
        **sum_up(found),
    }
    report = report_of(results)
    ours, theirs = report.rows
    assert ours[2:] == ("15.0 (10.0 - 20.0)", "25.0 (20.0 - 30.0)", "2", "65.00%", "64.00%", "63.05%")
    assert theirs[4:6] == ("1", "63.00%")
    assert "Times as fast, model1: 4.50 (3.00 - 6.00)" in report.remarks
    assert any(line.startswith("Reached: model1 gets there at least 3 times") for line in report.remarks)
