"""All ways take turns at the same trials, and the usual work is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import many_trials
from benchmarks.many_trials_report import remarks, rows, sum_up
from benchmarks.parity import ParityError, distance, judge


def test_ways_take_turns_and_the_results_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_trials, "STACKED", {"vmap": many_trials.STACKED["vmap"]})
    monkeypatch.setattr(many_trials.machine, "look", lambda: {"load_average": [0.0, 0.0, 0.0], "others_cpu": 0.0})
    path = tmp_path / "many.json"
    typed = ["--trials", "2", "--steps", "1", "--repeats", "2", "--skip", "layers,tensorflow", "--busy-ok"]
    assert many_trials.main([*typed, "--device", "cpu", "--json", str(path)]) == 0
    found = json.loads(path.read_text())["trials"]["2"]
    assert {way: len(turns) for way, turns in found["seconds"].items()} == {"alone": 2, "alone_products": 2, "vmap": 2}
    assert found["parity"]["vmap"]["weights"] < 1e-3
    assert "| 2 | JAX, one after another |" in path.with_suffix(".md").read_text()


def test_only_the_usual_work_is_kept() -> None:
    assert many_trials.parse([]).json == many_trials.KEPT
    assert many_trials.parse(["--steps", "2"]).json is None


@pytest.mark.parametrize("wrong", [["--trials", "0,2"], ["--trials", "x"], ["--skip", "y"], ["--steps", "-1"]])
def test_a_wrong_option_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        many_trials.parse(wrong)
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_times_are_of_a_step_of_a_trial_and_ratios_are_taken_within_a_round() -> None:
    seconds = {"alone": [4.0, 8.0, 4.0], "vmap": [8.0, 8.0, 16.0], "tensorflow": [0.5, 0.5, 0.5]}
    found = sum_up(seconds, trials=4, steps=10)
    assert found["milliseconds"]["alone"]["median"] == 100.0
    assert found["milliseconds"]["tensorflow"]["median"] == 50.0, "it trains one trial"
    assert found["faster_than_alone"]["vmap"] == {"median": 0.5, "min": 0.25, "max": 1.0}


def test_under_the_table_stand_the_layers_and_how_far_apart_trials_are() -> None:
    figures = {"median": 1.5, "min": 1.0, "max": 2.0}
    many = sum_up({"alone": [1.0], "vmap": [2.0]}, 1, 1)
    many |= {"parity": {"vmap": {"losses": 1e-7, "weights": 1e-6}}, "first_seconds": {"vmap": 3.0}, "others_cpu": [0.0]}
    results: dict[str, Any] = {
        "date": "2026-01-01T00:00:00+00:00",
        "commit": "abc",
        "command": "python -m benchmarks.many_trials",
        "machine": {"cpu": "a processor", "cores": 2, "memory_gb": 8.0},
        "versions": {"python": "3.11"},
        "busy_ok": False,
        "before": {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.01},
        "repeats": 1,
        "steps": 1,
        "batch": 32,
        "device": {"kind": "cpu", "name": "cpu"},
        "trials": {"1": many},
        "layers": {"trials": 1, "milliseconds": {"dense": {"xla, vmap": figures}}},
    }
    lines = remarks(results)
    assert "dense, 1 trials, forward and backward, milliseconds for each: xla, vmap 1.50" in lines
    assert any("1.0e-07 in a loss and 1.0e-06 in a step" in line for line in lines)
    assert [row[3] for row in rows(results)] == ["", "0.50 (0.50 - 0.50)"]


def test_a_layer_is_timed_in_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import layer_times

    monkeypatch.setattr(layer_times, "LAYERS", {"dense": layer_times.LAYERS["dense"]})
    found = layer_times.layer_times(trials=2, batch=4, repeats=1)
    assert set(found["milliseconds"]["dense"]) == {"xla, in turn", "xla, vmap", "xla, map"}


def test_weights_are_compared_by_the_way_that_they_have_come() -> None:
    assert distance([0.0, 0.0], [3.0, 4.0], [3.0, 3.0]) == pytest.approx(0.2)


@pytest.mark.parametrize("apart", [{"losses": 0.01, "weights": 0.0}, {"losses": 0.0, "weights": float("nan")}])
def test_what_is_more_than_rounding_is_refused(apart: dict[str, float]) -> None:
    with pytest.raises(ParityError, match=r"model1: the \w+ are"):
        judge("model1", apart)
