from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from cifar.config import ComputeConfig, DataConfig, Model1Config, RunConfig, TrainingConfig
from experiments.search import trial as module
from experiments.search.pruning import Bar, Bars
from experiments.search.records import Rung, SweepError, Trial
from experiments.search.trial import OUTCOME_FILE, Site, read_outcome, run_trial
from experiments.search.workers import Job, Outcome
from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import Journal
from experiments.tracking.recorder import Recorder

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

BARS = Bars("val_accuracy")


def job(number: int = 1, epochs: int = 3, bars: Bars = BARS, rung: Rung | None = None) -> Job:
    run = RunConfig(
        model=Model1Config(filters=2, dense_units=4),
        data=DataConfig(name="sample", train_size=64, validation_size=20, test_size=20),
        training=TrainingConfig(epochs=epochs),
        compute=ComputeConfig(device="cpu"),
    )
    return Job(Trial(number, {}, asdict(run), rung), bars)


@pytest.fixture
def site(project: Path) -> Site:
    """Of a sweep without MLflow."""
    folder = project / "sweeps" / "a"
    folder.mkdir(parents=True)
    return Site(folder, "a sweep", project, TrackingConfig(enabled=False))


@pytest.fixture
def recorded(site: Site, database: Path) -> Iterator[tuple[Site, Recorder]]:
    """Of a sweep whose run is open in MLflow."""
    with Recorder(TrackingConfig(), site.sweep, "a sweep") as parent:
        yield replace(site, tracking=TrackingConfig(parent_run_id=parent.reference)), parent


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs that were really trained, as they come."""
    epochs: list[int] = []
    on_epoch = module._Watch.on_epoch

    def count(watch: module._Watch, epoch: int, metrics: dict[str, float]) -> None:
        epochs.append(epoch)
        on_epoch(watch, epoch, metrics)

    monkeypatch.setattr(module._Watch, "on_epoch", count)
    return epochs


def children(parent: Recorder) -> list[Any]:
    assert parent.store is not None
    below = f"tags.`mlflow.parentRunId` = '{parent.run_id}'"
    return list(parent.store.client.search_runs([parent.store.experiment_id], below))


def steps(parent: Recorder, run_id: str, metric: str) -> list[int]:
    assert parent.store is not None
    return [item.step for item in parent.store.client.get_metric_history(run_id, metric)]


def test_a_trial_is_a_run_below_its_sweep_that_never_sees_the_test_images(recorded: tuple[Site, Recorder]) -> None:
    site, parent = recorded
    outcome = run_trial(job(number=7), site)
    (run,) = children(parent)
    assert outcome.facts == {"run": run.info.run_id, "run_id": run.info.run_id, "folder": "trials/0007"}
    assert (run.info.status, run.info.run_name) == ("FINISHED", "0007-model1-rmsprop")
    assert (run.data.tags["sweep"], run.data.tags["sweep.trial"]) == ("a sweep", "7")
    assert "sweep.pruned" not in run.data.tags
    assert run.data.params["model.filters"] == "2"
    assert steps(parent, run.info.run_id, "val_accuracy") == [1, 2, 3]
    assert run.data.metrics["best_val_accuracy"] == outcome.score == max(outcome.curve)
    assert [name for name in run.data.metrics if name.startswith("test")] == []
    contexts = [tag.value for item in run.inputs.dataset_inputs for tag in item.tags]
    assert sorted(contexts) == ["train", "validation"]
    assert sorted(path.name for path in site.folder(7).iterdir()) == [
        ".hydra",
        "artifacts",
        "journal.jsonl",
        "outcome.json",
    ]


def test_a_trial_that_was_cut_off_goes_on_in_the_same_run_to_the_same_values(
    recorded: tuple[Site, Recorder], trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, parent = recorded
    undisturbed = run_trial(job(number=1), site)
    with monkeypatch.context() as patch:
        patch.setattr(module._Watch, "_judge", lambda watch: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_trial(job(number=2), site)
    trained.clear()
    again = run_trial(job(number=2), site)
    assert trained == [2, 3]
    assert (again.score, again.curve) == (undisturbed.score, undisturbed.curve)
    (second,) = [run for run in children(parent) if run.data.tags["sweep.trial"] == "2"]
    assert second.info.status == "FINISHED"
    assert steps(parent, second.info.run_id, "val_accuracy") == [1, 2, 3]


def test_a_trial_below_its_bar_stops_and_is_not_a_failed_run(recorded: tuple[Site, Recorder]) -> None:
    site, parent = recorded
    outcome = run_trial(job(bars=Bars("val_accuracy", (Bar(2, 2.0, "below the median of 5 others"),))), site)
    assert len(outcome.curve) == 2
    assert outcome.pruned is not None
    assert outcome.pruned.endswith("after epoch 2 is below the median of 5 others (2.0000)")
    (run,) = children(parent)
    assert (run.info.status, run.data.tags["sweep.pruned"]) == ("FINISHED", outcome.pruned)
    assert run.data.metrics["epochs_run"] == 2


def test_it_stops_there_again_if_its_worker_died_before_it_could_say_so(site: Site, trained: list[int]) -> None:
    bars = Bars("val_accuracy", (Bar(2, 2.0, "too low"),))
    kept = replace(site, keep_checkpoints=True)
    first = run_trial(job(bars=bars), kept)
    (site.folder(1) / OUTCOME_FILE).unlink()
    trained.clear()
    assert run_trial(job(bars=bars), kept) == first
    assert trained == []


def test_a_trial_that_has_ended_is_not_trained_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = site.folder(1)
    folder.mkdir(parents=True)
    assert read_outcome(folder) is None
    outcome = Outcome(0.5, (0.4, 0.5), None, {"folder": "trials/0001"})
    module._write_outcome(folder, outcome)
    monkeypatch.setattr(module, "_train", None)
    assert run_trial(job(), site) == outcome


def test_a_higher_rung_goes_on_from_the_one_below_to_the_values_of_one_training(site: Site, trained: list[int]) -> None:
    site = replace(site, keep_checkpoints=True)
    whole = run_trial(job(number=1, epochs=3), site)
    below = job(number=2, epochs=1, rung=Rung(bracket=0, level=0, from_trial=None, initial_epoch=0, epochs=1))
    run_trial(below, site)
    trained.clear()
    above = replace(job(number=3, epochs=3), origin=below.trial)
    assert run_trial(above, site).curve == whole.curve
    assert trained == [2, 3]


def test_a_worker_that_does_not_see_the_sweeps_folder_says_so(site: Site) -> None:
    with pytest.raises(SweepError, match="a worker does not see this folder"):
        run_trial(job(), replace(site, sweep=site.sweep / "elsewhere"))


def test_a_trial_that_another_process_still_trains_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(site.folder(1))
    module._write_outcome(site.folder(1), Outcome(0.5))
    threading.Timer(0.5, journal.close).start()
    began = time.monotonic()
    assert run_trial(job(), site).score == 0.5
    assert time.monotonic() - began > 0.4
