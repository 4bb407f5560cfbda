from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from cifar import training
from cifar.config import (
    ComputeConfig,
    Constant,
    DataConfig,
    InverseTime,
    Model1Config,
    RunConfig,
    ScheduleConfig,
    TrainingConfig,
)
from cifar.data import Split
from cifar.engines import Engine, kept
from experiments.search import process
from experiments.search import trial as module
from experiments.search.pruning import Bar, Bars
from experiments.search.records import Rung, SweepError, Trial
from experiments.search.site import OUTCOME_FILE, Site, read_outcome, write_outcome
from experiments.search.trial import run_trial
from experiments.search.workers import Job, Outcome
from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import Journal
from experiments.tracking.recorder import Recorder

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

BARS = Bars("val_accuracy")


def job(
    number: int = 1,
    epochs: int = 3,
    bars: Bars = BARS,
    rung: Rung | None = None,
    reuse: bool = False,
    schedule: ScheduleConfig | None = None,
) -> Job:
    run = RunConfig(
        model=Model1Config(filters=2, dense_units=4),
        schedule=schedule or Constant(),
        data=DataConfig(name="sample", train_size=64, validation_size=20, test_size=20),
        training=TrainingConfig(epochs=epochs),
        compute=ComputeConfig(device="cpu"),
    )
    return Job(Trial(number, {}, asdict(run), rung), bars, reuse=reuse)


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


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Told of each call of train(): how many epochs are to be done at its end."""
    calls: list[int] = []
    train = training.train

    def count(config: RunConfig, *arguments: Any, **named: Any) -> training.Trained:
        calls.append(config.training.epochs)
        return train(config, *arguments, **named)

    monkeypatch.setattr(training, "train", count)
    return calls


def run_of(parent: Recorder, number: int) -> Any:
    """MLflow's run of a trial."""
    (run,) = [run for run in children(parent) if run.data.tags.get("sweep.trial") == str(number)]
    return run


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
    assert run.data.metrics["best_val_loss"] <= run.data.metrics["val_loss"]
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
    write_outcome(folder, outcome)
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
    write_outcome(site.folder(1), Outcome(0.5))
    threading.Timer(0.5, journal.close).start()
    began = time.monotonic()
    assert run_trial(job(), site).score == 0.5
    assert time.monotonic() - began > 0.4


# --- equal runs --------------------------------------------------------------------------------------


def test_a_trial_that_equals_a_finished_run_takes_over_its_epochs_and_says_so(
    recorded: tuple[Site, Recorder], fitted: list[int]
) -> None:
    site, parent = recorded
    first = run_trial(job(number=1), site)
    assert fitted == [3]
    second = run_trial(job(number=2, reuse=True), site)
    assert fitted == [3]
    assert (second.score, second.curve, second.pruned) == (first.score, first.curve, None)
    assert second.facts["reused"] == first.facts["run_id"] != second.facts["run_id"]
    run, other = run_of(parent, 2), run_of(parent, 1)
    assert (run.info.status, run.data.tags["reused_from"]) == ("FINISHED", first.facts["run_id"])
    assert "reused_from" not in other.data.tags
    assert run.data.metrics == other.data.metrics
    assert run.data.params == {**other.data.params, "tracking.run_name": "0002-model1-rmsprop"}
    for metric in ("loss", "val_accuracy", "learning_rate", "seconds"):
        assert steps(parent, run.info.run_id, metric) == [1, 2, 3]
    assert run.data.tags["stop_reason"] == "ended"


def test_one_that_took_over_an_equal_run_is_an_equal_run_itself(
    recorded: tuple[Site, Recorder], fitted: list[int]
) -> None:
    site, parent = recorded
    outcomes = [run_trial(job(number, reuse=True), site) for number in (1, 2)]
    assert parent.store is not None
    parent.store.client.delete_run(outcomes[0].facts["run_id"])
    third = run_trial(job(number=3, reuse=True), site)
    assert (fitted, third.facts["reused"], third.curve) == ([3], outcomes[1].facts["run_id"], outcomes[0].curve)
    assert "reused" not in outcomes[0].facts


def test_where_that_is_not_wanted_it_trains_to_the_same_values(
    recorded: tuple[Site, Recorder], fitted: list[int]
) -> None:
    site, parent = recorded
    first, second = run_trial(job(number=1), site), run_trial(job(number=2, reuse=False), site)
    assert fitted == [3, 3]
    assert second.curve == first.curve
    assert "reused" not in second.facts
    assert "reused_from" not in run_of(parent, 2).data.tags


def test_a_run_that_was_pruned_or_cut_off_is_not_taken_over(
    recorded: tuple[Site, Recorder], fitted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, _ = recorded
    assert run_trial(job(number=1, bars=Bars("val_accuracy", (Bar(2, 2.0, "too low"),))), site).pruned
    with monkeypatch.context() as patch:
        patch.setattr(module._Watch, "_judge", lambda watch: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_trial(job(number=2), site)
    assert "reused" not in run_trial(job(number=3, reuse=True), site).facts
    assert fitted == [3, 3, 3]


def test_nor_is_one_that_was_trained_for_another_time(recorded: tuple[Site, Recorder], fitted: list[int]) -> None:
    site, _ = recorded
    run_trial(job(number=1, epochs=2), site)
    assert "reused" not in run_trial(job(number=2, epochs=3, reuse=True), site).facts
    assert "reused" not in run_trial(job(number=3, epochs=1, reuse=True), site).facts
    assert fitted == [2, 3, 1]


def test_bars_are_laid_on_the_epochs_of_an_equal_run_as_if_they_were_trained(
    recorded: tuple[Site, Recorder], fitted: list[int]
) -> None:
    site, parent = recorded
    bars = Bars("val_accuracy", (Bar(2, 2.0, "below the median of 5 others"),))
    trained = run_trial(job(number=1, bars=bars), site)
    whole = run_trial(job(number=2), site)
    taken = run_trial(job(number=3, bars=bars, reuse=True), site)
    assert fitted == [3, 3]
    assert taken.facts["reused"] == whole.facts["run_id"]
    assert (taken.score, taken.curve, taken.pruned) == (trained.score, trained.curve, trained.pruned)
    run = run_of(parent, 3)
    assert (run.data.tags["sweep.pruned"], run.data.metrics["epochs_run"]) == (trained.pruned, 2)
    assert steps(parent, run.info.run_id, "val_accuracy") == [1, 2]


def test_an_attempt_that_died_when_all_was_done_is_not_taken_for_another_run(
    recorded: tuple[Site, Recorder],
) -> None:
    site, parent = recorded
    first = run_trial(job(reuse=True), site)
    (site.folder(1) / OUTCOME_FILE).unlink()
    assert run_trial(job(reuse=True), site) == first
    (run,) = children(parent)
    assert "reused_from" not in run.data.tags
    assert steps(parent, run.info.run_id, "val_accuracy") == [1, 2, 3]


def test_without_a_record_there_is_nothing_to_take_over(site: Site, fitted: list[int]) -> None:
    run_trial(job(number=1), site)
    assert "reused" not in run_trial(job(number=2, reuse=True), site).facts
    assert fitted == [3, 3]


def test_where_a_later_rung_may_follow_it_goes_on_from_the_state_of_the_equal_run(
    recorded: tuple[Site, Recorder], trained: list[int]
) -> None:
    site, parent = recorded
    site = replace(site, keep_checkpoints=True)
    first = run_trial(job(number=1, epochs=2), site)
    trained.clear()
    second = run_trial(job(number=2, epochs=2, reuse=True), site)
    assert trained == []
    assert (second.curve, second.facts["reused"]) == (first.curve, first.facts["run_id"])
    assert steps(parent, second.facts["run_id"], "val_accuracy") == [1, 2]
    rung = Rung(bracket=0, level=1, from_trial=2, initial_epoch=2, epochs=3)
    above = run_trial(replace(job(number=3, epochs=3, rung=rung), origin=job(number=2, epochs=2).trial), site)
    assert trained == [3]
    assert above.curve[:2] == first.curve
    assert above.curve == run_trial(job(number=4, epochs=3), site).curve


def test_where_its_state_is_gone_the_trial_trains(recorded: tuple[Site, Recorder], trained: list[int]) -> None:
    site, parent = recorded
    first = run_trial(job(number=1, epochs=2), site)  # its checkpoints are taken away
    trained.clear()
    second = run_trial(job(number=2, epochs=2, reuse=True), replace(site, keep_checkpoints=True))
    assert (trained, second.curve) == ([1, 2], first.curve)
    assert "reused" not in second.facts
    assert "reused_from" not in run_of(parent, 2).data.tags


def test_a_higher_rung_takes_over_an_equal_run_whose_state_is_there_and_else_goes_on_from_the_one_below(
    recorded: tuple[Site, Recorder], trained: list[int]
) -> None:
    site, parent = recorded
    site = replace(site, keep_checkpoints=True)
    rung = Rung(bracket=0, level=1, from_trial=1, initial_epoch=1, epochs=3)
    run_trial(job(number=1, epochs=1), site)
    above = replace(job(epochs=3, rung=rung, reuse=True), origin=job(number=1, epochs=1).trial)
    whole = run_trial(replace(above, trial=replace(above.trial, number=2)), site)
    assert trained == [1, 2, 3]
    taken = run_trial(replace(above, trial=replace(above.trial, number=3)), site)
    assert trained == [1, 2, 3]
    assert (taken.facts["reused"], taken.curve) == (whole.facts["run_id"], whole.curve)
    for number in (2, 3):
        shutil.rmtree(site.folder(number) / "checkpoints")
    trained.clear()
    alone = run_trial(replace(above, trial=replace(above.trial, number=4)), site)
    assert (trained, alone.curve) == ([2, 3], whole.curve)
    assert "reused" not in alone.facts
    assert "reused_from" not in run_of(parent, 4).data.tags


# --- engines -----------------------------------------------------------------------------------------


def test_trials_of_the_same_shape_share_an_engine_and_come_to_the_same_values(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[RunConfig] = []
    build = kept.build_engine

    def count(config: RunConfig, train: Split) -> Engine:
        built.append(config)
        return build(config, train)

    monkeypatch.setattr(kept, "build_engine", count)
    process.engines.cache_clear()
    first = run_trial(job(number=1), site)
    pruned = run_trial(job(number=2, bars=Bars("val_accuracy", (Bar(1, 2.0, "too low"),))), site)
    again = run_trial(job(number=3), site)
    assert len(built) == 1
    assert pruned.curve == first.curve[:1]
    assert again.curve == first.curve
    run_trial(job(number=4, schedule=InverseTime(decay=0.1)), site)
    assert len(built) == 2
