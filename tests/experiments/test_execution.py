"""One run from settings to record, in this process: trained once for all tests of this module."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig
from rich.console import Console

from cifar import training
from cifar.data import Dataset
from cifar.fields import ConfigError
from experiments import execution
from experiments.execution import (
    LOG_FILE,
    RESULT_FILE,
    Place,
    execute,
    read_result,
    verdict,
    whereabouts,
    write_result,
)
from experiments.record import fingerprint, run_params, tracking_params
from experiments.results.leaderboard import FinishedRun
from experiments.schema import Settings, load
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store, open_store
from experiments.tracking.twins import FINGERPRINT_TAG
from tests.services.mlflow_server import Proxy

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")


@dataclass(frozen=True)
class Done:
    """A run that came to its end, and all that it left."""

    settings: Settings
    result: FinishedRun
    store: Store
    run: Any
    shown: str
    artifacts: Path


def place(folder: Path) -> Place:
    return Place(folder, Console(file=io.StringIO(), soft_wrap=True))


def shown(at: Place) -> str:
    assert isinstance(at.console.file, io.StringIO)
    return at.console.file.getvalue()


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory, made_database: Path, composed: Callable[..., DictConfig]
) -> Iterator[Done]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("executed")
        patch.chdir(folder)
        (folder / "mlflow.db").write_bytes(made_database.read_bytes())
        (folder / LOG_FILE).write_text("what was said\n")
        settings, at = load(composed()), place(folder)
        result = execute(settings, "seed: 0\n", at)
        store = open_store(settings.tracking)
        run = store.client.get_run(result.run_id)
        yield Done(settings, result, store, run, shown(at), folder / run.info.artifact_uri)


def test_a_run_says_what_it_does_each_epoch_and_what_came_out(done: Done) -> None:
    begin, first, second, end, where, _how = done.shown.splitlines()
    assert begin.startswith(
        "model1, rmsprop (learning rate 0.0005), 2 epochs, 64 images + 20 for validation, seed 0, tensorflow on "
    )
    assert first.startswith("epoch 1/2  loss 2.")
    assert second.startswith("epoch 2/2  loss 2.")
    assert end.startswith(f"test accuracy {done.result.metrics['test_accuracy']:.2%}, test loss ")
    assert "; all epochs done, " in end
    assert where.startswith(f"recorded as model1-rmsprop-seed0, run {done.result.run_id}; log: ")


def test_the_pages_that_are_named_are_those_of_the_store_and_their_command_is_at_hand(
    project: Path, made_database: Path, new_recorder: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mlflow.db", "other.db"):
        (project / name).write_bytes(made_database.read_bytes())
    mlflow = project / "bin" / "mlflow"
    mlflow.parent.mkdir()
    mlflow.touch(mode=0o755)
    for path, uri, command in (
        (mlflow.parent, "", "mlflow ui"),
        (
            mlflow.parent,
            "sqlite:///other.db",
            f"{sys.executable} -m experiments.ui",
        ),  # `mlflow ui` would show mlflow.db
        (project, "", f"{sys.executable} -m experiments.ui"),
    ):
        monkeypatch.setenv("PATH", str(path))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with new_recorder() as recorder:
            recorder.log_epoch(1, {"loss": 1.0})
        told = whereabouts(recorder, TrackingConfig(), project)
        assert f"\nto look at it: {command}, then open http://127.0.0.1:5000/#/experiments/" in told


def test_the_result_is_what_was_recorded(done: Done) -> None:
    recorded = done.run.data.metrics
    assert done.result.metrics == {name: recorded[name] for name in done.result.metrics}
    assert {"loss", "val_accuracy", "test_accuracy", "best_val_accuracy"} <= done.result.metrics.keys()
    assert done.result.params.keys() == run_params(done.settings).keys()
    assert done.run.data.params.keys() == run_params(done.settings).keys() | tracking_params(done.settings).keys()
    assert (done.run.info.status, done.result.status) == ("FINISHED", "FINISHED")
    assert done.run.info.run_name == done.result.name == "model1-rmsprop-seed0"


def test_every_epoch_is_a_step(done: Done) -> None:
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second"):
        steps = [item.step for item in done.store.client.get_metric_history(done.result.run_id, name)]
        assert steps == [1, 2], name


def test_every_artifact_is_there(done: Done) -> None:
    files = {str(file.relative_to(done.artifacts)) for file in done.artifacts.rglob("*") if file.is_file()}
    assert files - {"environment/uncommitted.diff"} == {
        "config.yaml",
        "console.log",
        "environment/packages.txt",
        "figures/confident_mistakes.png",
        "figures/confusion_matrix.png",
        "figures/learning_curves.png",
        "figures/per_class_accuracy.png",
        "layers.txt",
        "per_class_accuracy.json",
        "predictions/test_predictions.npz",
    }
    assert (done.artifacts / LOG_FILE).read_text() == "what was said\n"


def test_the_network_is_recorded_and_ready(done: Done) -> None:
    (output,) = done.run.outputs.model_outputs
    assert done.store.client.get_logged_model(output.model_id).status == "READY"


def test_the_same_seed_gives_the_same_numbers_and_nothing_is_left_without_tracking(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    off = replace(done.settings, tracking=TrackingConfig(enabled=False))
    again = execute(off, "", place(tmp_path))
    timings = {"seconds", "images_per_second", "training_seconds"}
    assert again.metrics.keys() == done.result.metrics.keys()
    for name in again.metrics.keys() - timings:
        assert again.metrics[name] == done.result.metrics[name], name
    assert again.run_id == ""
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".hydra", "checkpoints"], "to go on from, if it is killed"


def test_what_is_said_of_it_has_the_fingerprint_of_its_settings_images_code_and_libraries(done: Done) -> None:
    from cifar.data import load_dataset

    digest = load_dataset(done.settings.run.data).digest
    assert done.run.data.tags[FINGERPRINT_TAG] == fingerprint(done.settings.run, digest)


# --- what a sweep gives to it ------------------------------------------------------------------------


def test_tags_that_are_given_go_before_those_of_this_process(store: Store, composed: Callable[..., DictConfig]) -> None:
    settings = load(composed("tracking.log_model=false", "training.epochs=1"))
    execute(settings, "", place(Path()), tags={"sweep": "a sweep", "command": "what was typed"})
    tags = latest(store).data.tags
    assert (tags["sweep"], tags["command"]) == ("a sweep", "what was typed")
    assert tags["device"].startswith("cpu: ")
    assert tags["data.source"] == "made up"


def test_images_that_are_given_are_used_and_not_loaded_again(
    tiny_dataset: Dataset, composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from cifar import data

    monkeypatch.setattr(data, "load_dataset", lambda config: pytest.fail("loaded"))
    settings = load(composed("tracking.enabled=false", "training.epochs=1", "data.train_size=70"))
    at = place(tmp_path)
    result = execute(settings, "", at, dataset=tiny_dataset)
    assert shown(at).startswith("model1, rmsprop (learning rate 0.0005), 1 epoch, 70 images + 20 for validation")
    again = execute(settings, "", place(tmp_path / "again"), dataset=tiny_dataset)
    assert again.metrics["test_loss"] == result.metrics["test_loss"]


# --- other endings ---------------------------------------------------------------------------------


def latest(store: Store) -> Any:
    return store.client.search_runs([store.experiment_id])[0]


def test_what_the_machine_cannot_do_creates_no_run(store: Store, composed: Callable[..., DictConfig]) -> None:
    with pytest.raises(ConfigError, match=r"^compute.device=gpu: expected cpu, which this process already uses"):
        execute(load(composed("compute=gpu")), "", place(Path()))
    assert store.client.search_runs([store.experiment_id]) == []


def test_an_error_is_recorded_with_a_log_that_hides_secrets(
    store: Store,
    composed: Callable[..., DictConfig],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("cannot reach https://me:canary@host/")

    monkeypatch.setattr(training, "train", fail)
    handler = logging.FileHandler(tmp_path / LOG_FILE)
    execution.log.addHandler(handler)
    try:
        with pytest.raises(OSError, match="cannot reach"):
            execute(load(composed()), "", place(tmp_path))
    finally:
        execution.log.removeHandler(handler)
        handler.close()
    run = latest(store)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "OSError: cannot reach https://***@host/"
    log = (tmp_path / run.info.artifact_uri / LOG_FILE).read_text()
    assert "Traceback (most recent call last)" in log
    assert "canary" not in log


def test_without_log_model_there_is_none(store: Store, composed: Callable[..., DictConfig]) -> None:
    execute(load(composed("tracking.log_model=false", "training.epochs=1")), "", place(Path()))
    run = latest(store)
    assert run.info.status == "FINISHED"
    assert not run.outputs or not run.outputs.model_outputs


def test_a_server_that_is_away_is_a_warning_and_the_end_says_where_the_run_is(
    proxy: Proxy, project: Path, impatient: None, composed: Callable[..., DictConfig], tmp_path: Path
) -> None:
    proxy.close()
    at = place(project / "mine")
    at.folder.mkdir()
    settings = load(composed(f"tracking.uri={proxy.uri}", "training.epochs=1", "tracking.log_model=false"))
    result = execute(settings, "", at)
    assert (result.status, result.run_id) == ("FINISHED", "")
    warning, *_, end = shown(at).splitlines()
    assert warning.startswith(f"warning: {proxy.uri} does not take the record (Connection refused). The run goes on")
    assert shown(at).count("warning") == 1
    assert end == (
        f"recorded as model1-rmsprop-seed0 in {at.folder}; no store has it yet. "
        f"To complete it: python -m experiments.sync {at.folder}"
    )


def test_a_server_that_refuses_us_is_a_mistake_before_anything_trains(
    nothing_but_403: str, project: Path, composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "train", lambda *arguments: pytest.fail("trained"))
    with pytest.raises(TrackingError, match="403"):
        execute(load(composed(f"tracking.uri={nothing_but_403}")), "", place(project))
    assert [path.name for path in project.iterdir()] == []


def test_a_disk_without_room_for_the_journal_is_an_error_that_names_it(
    store: Store, project: Path, composed: Callable[..., DictConfig]
) -> None:
    (project / "journal.jsonl").symlink_to("/dev/full")
    with pytest.raises(
        TrackingError, match=rf"^{project}/journal\.jsonl: the run's journal cannot be written \(No space"
    ):
        execute(load(composed()), "", place(project))
    assert store.client.search_runs([store.experiment_id]) == []


# --- the result file -------------------------------------------------------------------------------

RESULT = FinishedRun("id", "name", "FAILED", {"seed": "0"}, {"loss": 1.5}, "ValueError: é")


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_result(tmp_path, RESULT)
    assert read_result(tmp_path) == RESULT
    assert [file.name for file in tmp_path.iterdir()] == [RESULT_FILE]


@pytest.mark.parametrize("text", [None, "", '{"run_id": "i', "[]", '{"run_id": "id"}', json.dumps({"other": 1})])
def test_half_a_result_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / RESULT_FILE).write_text(text)
    assert read_result(tmp_path) is None


def test_the_verdict_stands_beside_the_documents_own_number(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    from cifar.evaluation import evaluate

    trained = training.Trained(None, None, [], "all epochs done", None, 61.0)  # type: ignore[arg-type]
    evaluation = evaluate([[0.9] + [0.1 / 9] * 9], [0])
    run = replace(done.settings.run, data=replace(done.settings.run.data, name="cifar10"))
    expected = (
        "test accuracy 100.00%, test loss 0.1054 (the document's model1: 63.05%, 1.0841); all epochs done, 1 min 1 s"
    )
    assert verdict(run, trained, evaluation) == expected
    assert "document" not in verdict(done.settings.run, trained, evaluation), "made-up images compare with nothing"
