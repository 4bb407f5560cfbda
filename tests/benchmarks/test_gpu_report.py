"""The table of benchmarks.gpu, and what was to be reached."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.gpu_report import EPOCHS, IMAGES, goals, remarks, rows, sum_up

APART = {"losses": 1e-6, "weights": 2e-4}


def results(ours: list[float], keras: list[float], **changed: Any) -> dict[str, Any]:
    model = {
        **sum_up({"ours": EPOCHS, "keras": 1}, {"ours": ours, "keras": keras}),
        "peers": {"ours": {"first_seconds": 12.5}, "keras": {"first_seconds": 9.0}},
        "parity": {**APART, "rounds": 6, "by_default": {"losses": 1e-4, "weights": 3e-2}},
        "others_cpu": [0.01],
    }
    told = {
        "date": "2026-01-01T00:00:00+00:00",
        "commit": "abc",
        "command": "python -m benchmarks.gpu",
        "machine": {"cpu": "a processor", "cores": 16, "memory_gb": 128.0},
        "versions": {"python": "3.12", "jax": "0.11"},
        "busy_ok": False,
        "before": {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.01},
        "repeats": len(ours),
        "epochs": EPOCHS,
        "images": IMAGES,
        "validation_images": 5000,
        "unroll": 1,
        "device": {"kind": "gpu", "name": "NVIDIA H100", "peak_memory_mb": 1234},
        "models": {"model1": model},
        **changed,
    }
    return {**told, "goals": goals(told)}


def test_epochs_are_compared_within_a_round_before_the_median() -> None:
    found = sum_up({"ours": 15, "keras": 1}, {"ours": [3.0, 6.0, 3.0], "keras": [1.0, 4.0, 2.0]})
    assert found["seconds"]["median"] == 3.0
    assert found["seconds_an_epoch"]["ours"] == {"median": 0.2, "min": 0.2, "max": 0.4}
    assert found["faster_than_keras"] == {"median": 10.0, "min": 5.0, "max": 10.0}


@pytest.mark.parametrize(("seconds", "reached"), [(3.5, [True, True]), (3.6, [False, True]), (3.0, [True, False])])
def test_goals_are_judged_by_the_median_and_told(seconds: float, reached: list[bool]) -> None:
    theirs = 5.0 * seconds / EPOCHS * (1.001 if seconds > 3 else 0.99)
    found = results([seconds], [theirs])
    assert [goal["reached"] for goal in found["goals"]] == reached
    lines = remarks(found)
    words = ["Reached" if one else "MISSED" for one in reached]
    assert any(line.startswith(f"{words[0]}: model1: 15 epochs take at most 3.5 s: {seconds:.2f}") for line in lines)
    assert any(line.startswith(f"{words[1]}: model1: at least 5 times as fast") for line in lines)


@pytest.mark.parametrize("changed", [
    {"epochs": 2}, {"images": 640}, {"device": {"kind": "cpu", "name": "a processor", "peak_memory_mb": None}},
])  # fmt: skip
def test_other_work_or_no_gpu_has_no_goals(changed: dict[str, Any]) -> None:
    found = results([3.0], [2.0], **changed)
    assert found["goals"] == []
    assert any(line.startswith("No goals here") for line in remarks(found))


def test_the_table_tells_an_epoch_the_ratio_and_the_compiling() -> None:
    assert rows(results([3.0], [2.0])) == [
        ("model1", "this project", "0.200 (0.200 - 0.200)", "", "12.5"),
        ("model1", "Keras `fit`", "2.000 (2.000 - 2.000)", "10.00 (10.00 - 10.00)", "9.0"),
    ]


def test_under_it_stand_device_memory_and_how_far_from_the_processor() -> None:
    lines = remarks(results([3.0], [2.0]))
    assert any("On NVIDIA H100" in line for line in lines)
    assert any("1,234 MB" in line for line in lines)
    assert any("losses 1.0e-06 and steps of the weights 2.0e-04" in line and "3.0e-02" in line for line in lines)
