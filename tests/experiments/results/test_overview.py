"""Everything that a report says, gathered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.results.overview import LARGEST, MOST_SWEEPS, look_at
from experiments.tracking.config import TrackingConfig
from tests.experiments.results.recorded import recorded, sweep_run, trial
from tests.experiments.results.test_sweep_summary import VERDICT

S = "s" * 32


@pytest.fixture
def config(tmp_path: Path) -> TrackingConfig:
    return TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db")


def test_trials_are_ranked_only_if_all_is_asked_for(config: TrackingConfig) -> None:
    runs = [recorded(0.6), trial(1, 0.5, S, optimizer__name="adam")]
    assert [len(board.groups) for board in look_at(runs, config).boards] == [1]
    assert [len(board.groups) for board in look_at(runs, config, everything=True).boards] == [2]
    assert look_at(runs, config).runs == 2


def test_what_a_sweep_kept_is_fetched(tmp_path: Path, config: TrackingConfig) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "best_so_far.png").write_bytes(b"a picture")
    (tmp_path / "figures" / "score_by_setting.png").write_bytes(bytes(LARGEST + 1))
    (tmp_path / "verdict.json").write_text(json.dumps(VERDICT))
    parent = replace(sweep_run(run_id=S), artifact_uri=str(tmp_path))
    (sweep,) = look_at([parent, trial(1, 0.5, S)], config, pictures=True).sweeps
    assert sweep.pictures == {"best so far": b"a picture"}
    assert sweep.missing == "figures/score_by_setting.png has more than 4,000,000 bytes"
    assert sweep.difference.startswith("The winner is better by 1.72 points")
    (without,) = look_at([parent], config).sweeps
    assert (without.pictures, without.missing) == ({}, "")


@pytest.mark.parametrize("content", ["", "no JSON", "[1]", "{}"])
def test_a_damaged_verdict_is_none(tmp_path: Path, config: TrackingConfig, content: str) -> None:
    (tmp_path / "verdict.json").write_text(content)
    parent = replace(sweep_run(run_id=S), artifact_uri=str(tmp_path))
    assert look_at([parent], config).sweeps[0].verdict == ()


def test_of_many_sweeps_only_the_newest_are_asked_and_of_the_others_it_is_said(config: TrackingConfig) -> None:
    sweeps = look_at([sweep_run(run_id=f"{n:032}") for n in range(MOST_SWEEPS + 1)], config).sweeps
    assert [sweep.missing for sweep in sweeps] == [
        *[""] * MOST_SWEEPS,
        "only those of the newest 20 sweeps are fetched",
    ]
