from __future__ import annotations

import json
from pathlib import Path

import yaml

from experiments.search.parent import SweepRecord, common, open_parent
from experiments.search.records import Limits
from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import Entry
from tests.experiments.search.sweeps import SPACE, sweep_of
from tests.experiments.search.test_board import history_of, trial


def test_after_each_trial_the_sweeps_run_has_the_best_score_and_the_leaderboard(database: Path, project: Path) -> None:
    folder = project / "sweeps" / "a"
    with open_parent(sweep_of(), folder, TrackingConfig(), print) as recorder:
        record = SweepRecord(recorder, folder, "why I did this")
        record.begin(sweep_of())
        history = history_of(trial(1, 0.5))
        history.trials[0].config["data"] = history.trials[0].config["schedule"] = {"name": "x"}  # type: ignore[index]
        history.trials[0].config["optimizer"] = {"name": "sgd"}  # type: ignore[index]
        history.trials[0].config["compute"] = {"threads": None}  # type: ignore[index]
        history.limits = Limits(4)
        record.look(Entry(1, 0, "ended", {"trial": 1}), history)
        assert recorder.store is not None
        run = recorder.store.client.get_run(recorder.run_id)
    assert run.data.metrics == {"best_val_accuracy": 0.5}
    assert run.data.tags["mlflow.note.content"].startswith("why I did this\n\n1 of 4 trials done.\n\n# Leaderboard")
    assert run.data.params["sweep.tuner.name"] == "random"
    assert run.data.params["model.name"] == "model1"
    assert "optimizer.name" not in run.data.params
    artifacts = folder / "artifacts"
    assert yaml.safe_load((artifacts / "space.yaml").read_text())["space"] == SPACE
    assert len(json.loads((artifacts / "leaderboard.json").read_text())["ranked"]) == 1
    assert (folder / "best.yaml").read_text() == (artifacts / "best.yaml").read_text()


def test_a_sweep_that_is_resumed_goes_on_with_its_run(database: Path, project: Path) -> None:
    folder = project / "sweeps" / "a"
    with open_parent(sweep_of(), folder, TrackingConfig(), print) as first:
        pass
    with open_parent(sweep_of(), folder, TrackingConfig(), print) as second:
        assert second.run_id == first.run_id


def test_what_all_trials_share_is_what_no_one_searches() -> None:
    shared = common(sweep_of())
    assert shared["model.name"] == "model1"
    assert {"optimizer.name", "optimizer.learning_rate", "model.dropout_rate"} & shared.keys() == set()
