"""How long commands take to start."""

import json
from pathlib import Path

import pytest

from benchmarks import machine, startup
from benchmarks.processes import Ended

RUN = "python -m experiments.run data=sample epochs=quick training.epochs=1"


def test_the_first_round_warms_up_and_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[list[str]] = []

    def run(arguments: list[str], folder: str, environment: dict[str, str]) -> Ended:
        assert environment["MLFLOW_TRACKING_URI"] == ""
        started.append(arguments)
        return Ended(float(len(started)), 100)

    monkeypatch.setattr(startup, "run_python", run)
    monkeypatch.setattr(machine, "look", lambda: {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.0})
    path = tmp_path / "startup.json"
    assert startup.main(["--repeats", "2", "--json", str(path)]) == 0
    assert started == [*startup.COMMANDS.values()] * 3
    results = json.loads(path.read_text())
    assert results["seconds"]["python -m experiments.run --help"] == [8.0, 15.0]
    assert "| `python -m experiments.run --help` | 11.50 (8.00 - 15.00) |" in path.with_suffix(".md").read_text()


def test_help_has_a_second_and_a_small_run_twelve() -> None:
    seconds = {typed: [0.9, 1.1, 0.9] for typed in startup.COMMANDS} | {RUN: [11.0, 12.0, 13.0]}
    goals = startup.sum_up(seconds)["goals"]
    assert [goal["reached"] for goal in goals] == [True, False]
    assert goals[1]["found"] == "12.00 s (11.00 s - 13.00 s)"


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(startup, "COMMANDS", {"broken": ["-c", "raise SystemExit('no such thing')"]})
    assert startup.main(["--repeats", "1", "--busy-ok"]) == 1
    assert "no such thing" in capsys.readouterr().err
