"""A training that ends a sweep: a run below it, scored on the test images once, killed or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cifar import figures, training
from cifar.config import ComputeConfig, DataConfig, Model1Config, RunConfig, TrainingConfig
from experiments import execution
from experiments.search.pruning import Bar, Bars
from experiments.search.records import Trial
from experiments.search.site import OUTCOME_FILE, Site
from experiments.search.trial import run_trial
from experiments.search.workers import Job
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

NO_MODEL = TrackingConfig(log_model=False)
TIMINGS = ("training_seconds",)


def final(number: int = 1, of: str = "winner", seed: int = 1, reuse: bool = False, epochs: int = 3) -> Job:
    run = RunConfig(
        model=Model1Config(filters=2, dense_units=4),
        data=DataConfig(name="sample", train_size=64, validation_size=20, test_size=20),
        training=TrainingConfig(epochs=epochs, restore_best_weights=True),
        compute=ComputeConfig(device="cpu"),
        seed=seed,
    )
    return Job(Trial(number, {}, asdict(run), of=of), Bars("val_accuracy"), reuse=reuse)


@pytest.fixture
def recorded(project: Path, database: Path) -> Iterator[tuple[Site, Recorder]]:
    """Of a sweep whose run is open in MLflow."""
    folder = project / "sweeps" / "a"
    folder.mkdir(parents=True)
    with Recorder(NO_MODEL, folder, "a sweep") as parent:
        yield Site(folder, "a sweep", project, replace(NO_MODEL, parent_run_id=parent.reference)), parent


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than all the rest, and test_execution.py draws them."""
    for name in ("learning_curves", "confusion_matrix", "per_class_accuracy", "confident_mistakes"):
        monkeypatch.setattr(figures, name, lambda *arguments: None)
    monkeypatch.setattr(Recorder, "log_figure", lambda *arguments: None)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of test images, at each look at them."""
    looks: list[int] = []
    score = execution._score

    def count(trained: Any, dataset: Any) -> Any:
        looks.append(len(dataset.test))
        return score(trained, dataset)

    monkeypatch.setattr(execution, "_score", count)
    return looks


def run_of(parent: Recorder, number: int) -> Any:
    """MLflow's run of a final training."""
    assert parent.store is not None
    wanted = f"tags.`mlflow.parentRunId` = '{parent.run_id}' AND tags.`sweep.final` = '{number}'"
    (run,) = parent.store.client.search_runs([parent.store.experiment_id], wanted)
    return run


def steps(parent: Recorder, run: Any, metric: str) -> list[int]:
    assert parent.store is not None
    return [item.step for item in parent.store.client.get_metric_history(run.info.run_id, metric)]


def lasting(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts that do not depend on the clock, the folder or MLflow's ids."""
    return {name: value for name, value in facts.items() if name not in (*TIMINGS, "folder", "run_id", "reused")}


def test_a_final_training_is_a_run_below_its_sweep_that_is_scored_on_the_test_images_once(
    recorded: tuple[Site, Recorder], scored: list[int]
) -> None:
    site, parent = recorded
    outcome = run_trial(final(number=2, of="default", seed=4), site)
    run = run_of(parent, 2)
    assert scored == [20]
    assert (run.info.status, run.info.run_name) == ("FINISHED", "default-model1-rmsprop-seed4")
    tags = run.data.tags
    assert (tags["sweep"], tags["sweep.final_of"], tags["test_evaluations"]) == ("a sweep", "default", "1")
    assert "sweep.trial" not in tags
    assert "reused_from" not in tags
    assert steps(parent, run, "val_accuracy") == [1, 2, 3]
    assert steps(parent, run, "test_accuracy") == [3]
    assert outcome.facts == {
        "folder": "finals/0002",
        "run_id": run.info.run_id,
        **{name: run.data.metrics[name] for name in (
            "test_accuracy", "test_loss", "best_val_accuracy", "best_epoch", "epochs_run", "training_seconds",
            "parameters",
        )},
    }  # fmt: skip
    assert outcome.score == run.data.metrics["best_val_accuracy"]
    assert (outcome.curve, outcome.pruned) == ((), None)
    folder = site.sweep / "finals" / "0002"
    assert sorted(path.name for path in folder.iterdir()) == [".hydra", "artifacts", "journal.jsonl", "outcome.json"]
    assert not (site.sweep / "trials").exists()


def test_its_predictions_are_those_that_its_score_counts(recorded: tuple[Site, Recorder]) -> None:
    site, _ = recorded
    outcome = run_trial(final(), site)
    with np.load(site.folder(1, final=True) / "artifacts" / "predictions" / "test_predictions.npz") as kept:
        names = {name: kept[name] for name in kept.files}
    right = names["labels"] == names["probabilities"].argmax(axis=1)
    assert len(right) == 20
    assert right.mean() == pytest.approx(outcome.facts["test_accuracy"])


def test_it_is_the_run_that_the_same_settings_make_by_hand(recorded: tuple[Site, Recorder]) -> None:
    from experiments.execution import Place, execute
    from experiments.schema import Settings
    from experiments.search.plan import read_tree

    site, _ = recorded
    outcome = run_trial(final(), site)
    folder = site.home / "outputs" / "1"
    folder.mkdir(parents=True)
    place = Place(folder, execution.Console(quiet=True), live=False)
    result = execute(Settings(read_tree(dict(final().trial.config)), NO_MODEL), "", place)
    assert outcome.facts["test_accuracy"] == result.metrics["test_accuracy"]
    assert outcome.facts["test_loss"] == result.metrics["test_loss"]
    assert outcome.score == result.metrics["val_accuracy"] == result.metrics["best_val_accuracy"]


def test_other_seeds_of_the_same_settings_need_no_other_program(
    recorded: tuple[Site, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    import cifar.engines.kept as module

    site, _ = recorded
    run_trial(final(number=1, seed=1), site)
    monkeypatch.setattr(module, "build_engine", None)
    outcome = run_trial(final(number=2, seed=2), site)
    assert outcome.facts["epochs_run"] == 3.0


def test_no_bar_stops_it(recorded: tuple[Site, Recorder]) -> None:
    site, _ = recorded
    job = replace(final(), bars=Bars("val_accuracy", (Bar(2, 2.0, "below the median of 5 others"),)))
    outcome = run_trial(job, site)
    assert (outcome.pruned, outcome.facts["epochs_run"]) == (None, 3.0)


@pytest.mark.parametrize("when", ["in an epoch", "while it is recorded"])
def test_one_that_was_killed_goes_on_in_the_same_run_and_ends_the_same(
    recorded: tuple[Site, Recorder], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    site, parent = recorded
    whole = run_trial(final(number=1), site)
    place: dict[str, tuple[Any, str]] = {
        "in an epoch": (execution._Watch, "on_epoch"),
        "while it is recorded": (execution, "record_result"),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*place[when], lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_trial(final(number=2), site)
    killed = run_of(parent, 2)
    assert killed.info.status == "KILLED"
    again = run_trial(final(number=2), site)
    run = run_of(parent, 2)
    assert (run.info.run_id, run.info.status) == (killed.info.run_id, "FINISHED")
    assert steps(parent, run, "val_accuracy") == [1, 2, 3]
    assert (steps(parent, run, "test_accuracy"), run.data.tags["test_evaluations"]) == ([3], "1")
    assert (again.score, lasting(again.facts)) == (whole.score, lasting(whole.facts))
    assert not (site.folder(2, final=True) / "checkpoints").exists()


def test_asked_for_again_it_answers_the_same_without_another_look(
    recorded: tuple[Site, Recorder], scored: list[int]
) -> None:
    site, _ = recorded
    first = run_trial(final(), site)
    assert run_trial(final(), site) == first
    assert scored == [20]


def test_an_equal_run_that_was_scored_is_taken_over_without_a_look_at_the_test_images(
    recorded: tuple[Site, Recorder], scored: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, parent = recorded
    first = run_trial(final(number=1), site)
    monkeypatch.setattr(training, "train", lambda *arguments, **named: pytest.fail("trained"))
    second = run_trial(final(number=2, of="default", reuse=True), site)
    assert scored == [20]
    run = run_of(parent, 2)
    assert run.info.status == "FINISHED"
    assert run.data.tags["reused_from"] == second.facts["reused"] == first.facts["run_id"]
    assert run.info.run_name == "default-model1-rmsprop-seed1"
    kept = {name: value for name, value in first.facts.items() if name not in ("folder", "run_id")}
    assert second.facts == {**kept, "folder": "finals/0002", "run_id": run.info.run_id, "reused": first.facts["run_id"]}
    assert second.score == first.score
    assert steps(parent, run, "val_accuracy") == [1, 2, 3]
    assert (steps(parent, run, "test_accuracy"), run.data.metrics["test_accuracy"]) == ([3], kept["test_accuracy"])


def test_where_that_is_not_wanted_or_none_is_equal_it_trains(
    recorded: tuple[Site, Recorder], scored: list[int]
) -> None:
    site, parent = recorded
    run_trial(final(number=1), site)
    for number, job in enumerate((final(2), final(3, seed=2, reuse=True), final(4, epochs=2, reuse=True)), start=2):
        assert "reused" not in run_trial(job, site).facts
        assert "reused_from" not in run_of(parent, number).data.tags
        assert scored == [20] * number


def test_a_trial_with_the_same_settings_was_not_scored_and_is_not_taken_over(
    recorded: tuple[Site, Recorder], scored: list[int]
) -> None:
    site, _ = recorded
    trial = replace(final(), trial=replace(final().trial, of=""))
    assert "test_accuracy" not in run_trial(trial, site).facts
    assert scored == []
    assert "reused" not in run_trial(final(reuse=True), site).facts
    assert scored == [20]


def test_an_attempt_that_died_when_all_was_done_is_not_scored_again_nor_taken_for_another_run(
    recorded: tuple[Site, Recorder], scored: list[int]
) -> None:
    site, parent = recorded
    first = run_trial(final(reuse=True), site)
    (site.folder(1, final=True) / OUTCOME_FILE).unlink()
    assert run_trial(final(reuse=True), site) == first
    assert scored == [20]
    assert "reused_from" not in run_of(parent, 1).data.tags


def test_without_a_record_it_is_trained_and_scored_all_the_same(project: Path, scored: list[int]) -> None:
    folder = project / "sweeps" / "a"
    folder.mkdir(parents=True)
    site = Site(folder, "a sweep", project, TrackingConfig(enabled=False))
    outcomes = [run_trial(final(number, reuse=True), site) for number in (1, 2)]
    assert scored == [20, 20]
    assert [outcome.facts["run_id"] for outcome in outcomes] == ["", ""]
    assert outcomes[0].facts["test_accuracy"] == outcomes[1].facts["test_accuracy"]
