from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy import stats

from experiments.search.finals import next_wanted
from experiments.search.history import History
from experiments.search.ledger import read_ledger
from experiments.search.parent import SweepRecord, common, open_parent, scored_trials
from experiments.search.records import Limits, Trial
from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import Entry
from tests.experiments.search.sweeps import SMALL, SPACE, run_sweep, sweep_of
from tests.experiments.search.test_board import history_of, trial


def test_a_note_is_there_from_the_start_and_a_resumed_sweep_keeps_what_was_written_below_it(
    database: Path, project: Path
) -> None:
    folder, note = project / "sweeps" / "a", TrackingConfig(note="why I did this")
    for described in ("why I did this", "why I did this\n\n# Leaderboard"):
        with open_parent(sweep_of(), folder, note, print) as recorder:
            assert recorder.store is not None
            run = recorder.store.client.get_run(recorder.run_id)
            assert run.data.tags["mlflow.note.content"] == described
            recorder.set_tags({"mlflow.note.content": "why I did this\n\n# Leaderboard"})


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


def ended(history: History, *scores: float) -> None:
    """The final trainings end with these test accuracies: winner and default in turn."""
    for score in scores:
        item = next_wanted(history)
        assert item is not None
        number, facts = len(history.finals) + 1, {"test_accuracy": score}
        history.finals.append(Trial(number, item.point, item.config, state="finished", facts=facts, of=item.of))


def test_in_the_end_the_sweeps_run_says_what_the_winner_scores_beside_the_default(
    database: Path, project: Path
) -> None:
    folder = project / "sweeps" / "a"
    trials = run_sweep(folder, sweep_of(space=SMALL), Limits(2))
    history = history_of(*trials)
    history.limits = Limits(2, final_seeds=2)
    with open_parent(sweep_of(space=SMALL), folder, TrackingConfig(), print) as recorder:
        record = SweepRecord(recorder, folder)
        assert recorder.store is not None

        def run() -> Any:
            assert recorder.store is not None
            return recorder.store.client.get_run(recorder.run_id)

        ended(history, 0.7, 0.5, 0.75)
        record.look(Entry(1, 0, "ended", {"final": 3}), history)
        assert run().data.metrics == {}
        assert "mlflow.note.content" not in run().data.tags
        record.finish(history)
        assert "winner_test_accuracy" not in run().data.metrics
        assert not (folder / "artifacts" / "verdict.json").exists()
        ended(history, 0.6)
        record.finish(history)
    metrics = run().data.metrics
    assert metrics["winner_test_accuracy"] == pytest.approx(0.725)
    assert metrics["default_test_accuracy"] == pytest.approx(0.55)
    assert metrics["test_accuracy_difference"] == pytest.approx(0.175)
    interval = stats.ttest_ind([0.7, 0.75], [0.5, 0.6], equal_var=False).confidence_interval(0.95)
    assert metrics["test_accuracy_difference_low"] == pytest.approx(interval.low)
    assert metrics["test_accuracy_difference_high"] == pytest.approx(interval.high)
    told = json.loads((folder / "artifacts" / "verdict.json").read_text(encoding="utf-8"))
    assert told["test_accuracy"]["winner"] == {
        "n": 2,
        "mean": pytest.approx(0.725),
        "deviation": pytest.approx(0.05 / 2**0.5),
    }
    assert (told["seeds"], told["settings_tried"], told["looks_at_test_images"]) == ([1, 2], 2, 4)
    note = run().data.tags["mlflow.note.content"].splitlines()
    assert note[0] == "2 of 2 trials done."
    assert note[1].startswith(f"- winner, trial {told['winner']['trial']} (model.dropout_rate=")
    assert note[2] == "- default, with nothing searched: test accuracy 55.00 ± 7.07 % (n = 2)"
    assert note[3].startswith("- the winner is better by 17.50 points, 95 % interval -")
    assert note[6].startswith("# Leaderboard")


def test_only_trials_are_in_the_pictures_and_on_the_leaderboard(tmp_path: Path) -> None:
    run_sweep(tmp_path, sweep_of(space=SMALL), Limits(3, final_seeds=2))
    assert len(read_ledger(tmp_path).finals) == 4
    assert len(scored_trials(tmp_path)) == 3


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
