from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest

from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import read_journal
from experiments.tracking.recorder import NullRecorder, Recorder, open_recorder, status_of
from experiments.tracking.service import TrackingError
from experiments.tracking.signals import Terminated
from experiments.tracking.store import Store
from experiments.tracking.system import Sample

NewRecorder = Callable[..., Recorder]


@pytest.fixture
def recorder(store: Store, new_recorder: NewRecorder) -> Iterator[Recorder]:
    """A run that is open for as long as the test."""
    with new_recorder(run_name="a-run") as recorder:
        yield recorder


def record_and_raise(recorder: Recorder, error: BaseException | None) -> Any:
    """The run of a block that ended with this error, or with none."""
    with contextlib.ExitStack() as outcome:
        if error is not None:
            outcome.enter_context(pytest.raises(type(error)))
        with recorder:
            if error is not None:
                raise error
    assert recorder.store is not None
    return recorder.store.client.get_run(recorder.run_id)


def text_of(recorder: Recorder, name: str) -> str:
    return (Path(recorder.artifact_uri) / name).read_text(encoding="utf-8")


def test_every_epoch_has_its_own_step(recorder: Recorder) -> None:
    for epoch in (1, 2, 3):
        recorder.log_epoch(epoch, {"loss": 1 / epoch, "accuracy": epoch / 10})
    history = recorder.store.client.get_metric_history(recorder.run_id, "loss")
    assert [(item.step, item.value) for item in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert recorder.store.client.get_run(recorder.run_id).data.metrics == {"loss": 1 / 3, "accuracy": 0.3}


def test_an_epoch_is_one_write_with_the_samples_of_its_time(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorder.store is not None
    writes = []
    write = recorder.store.client.log_batch
    monkeypatch.setattr(recorder.store.client, "log_batch", lambda *a, **k: (writes.append(a), write(*a, **k)))
    samples = [Sample(1000, 0, {"system/cpu_utilization_percentage": 12.0}), Sample(2000, 1, {"system/x": 5.0})]
    recorder.log_epoch(1, {"loss": 2.0}, samples)
    assert len(writes) == 1
    (item,) = recorder.store.client.get_metric_history(recorder.run_id, "system/cpu_utilization_percentage")
    assert (item.timestamp, item.step, item.value) == (1000, 0, 12.0)


def test_a_value_that_is_not_finite_is_kept_as_nan(recorder: Recorder) -> None:
    recorder.log_epoch(1, {"nan": math.nan, "up": math.inf, "down": -math.inf, "loss": 1.0})
    metrics = recorder.store.client.get_run(recorder.run_id).data.metrics
    assert metrics.pop("loss") == 1.0
    assert sorted(metrics) == ["down", "nan", "up"]
    assert all(math.isnan(value) for value in metrics.values())


def test_final_values_need_no_step_and_numpy_numbers_are_fine(recorder: Recorder) -> None:
    recorder.log_metrics({"test_accuracy": np.float32(0.5)})
    recorder.log_metrics({"best_val_accuracy": 0.75}, step=7)
    read = recorder.store.client.get_metric_history
    assert [(item.step, item.value) for item in read(recorder.run_id, "test_accuracy")] == [(0, 0.5)]
    assert [(item.step, item.value) for item in read(recorder.run_id, "best_val_accuracy")] == [(7, 0.75)]


def test_params_are_spelled_as_on_the_command_line(store: Store, new_recorder: NewRecorder) -> None:
    params = {"model.name": "model1", "a": None, "b": True, "c": 0.001, "d": 3, "tracking.uri": "http://a:b@host"}
    with new_recorder(None, params=params) as recorder:
        recorder.log_params({"long": "x" * 7000})
    stored = store.client.get_run(recorder.run_id).data.params
    assert stored.pop("long") == "x" * 5999 + "…"
    assert stored == {
        "model.name": "model1",
        "a": "null",
        "b": "true",
        "c": "0.001",
        "d": "3",
        "tracking.uri": "http://***@host",
    }


def test_a_param_cannot_be_changed(store: Store, new_recorder: NewRecorder) -> None:
    with new_recorder(None, "named", {"a": 1}) as recorder:
        recorder.log_params({"a": 1})
        with pytest.raises(TrackingError, match=r"^run named: param a is recorded as 1 and cannot become 2$"):
            recorder.log_params({"a": 2})


def test_name_note_and_tags_are_those_that_mlflow_shows(store: Store, new_recorder: NewRecorder) -> None:
    config = TrackingConfig(run_name="mine", note="why")
    with new_recorder(config, "default", tags={"command": "x"}) as recorder:
        recorder.set_tags({"stage": "a", "long": "y" * 9000})
        recorder.set_tags({"stage": "b"})
    run = store.client.get_run(recorder.run_id)
    assert (run.info.run_name, recorder.run_name) == ("mine", "mine")
    assert run.data.tags["mlflow.note.content"] == "why"
    assert (run.data.tags["command"], run.data.tags["stage"]) == ("x", "b")
    assert run.data.tags["long"] == "y" * 4999 + "…"


def test_a_run_without_a_name_is_given_one(store: Store, new_recorder: NewRecorder) -> None:
    with new_recorder() as recorder:
        assert recorder.run_name
    assert store.client.get_run(recorder.run_id).info.run_name == recorder.run_name


def test_a_child_is_shown_below_its_parent_whatever_the_environment_says(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    new_recorder: NewRecorder,
) -> None:
    with new_recorder(None, "parent") as parent:
        monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
        with new_recorder(TrackingConfig(parent_run_id=parent.run_id), "child") as child:
            pass
    assert store.client.get_run(child.run_id).data.tags["mlflow.parentRunId"] == parent.run_id
    assert child.run_id not in (parent.run_id, "0" * 32)


def test_a_parent_that_is_not_there_is_an_error_before_a_run_is_made(store: Store, new_recorder: NewRecorder) -> None:
    config = TrackingConfig(parent_run_id="f" * 32)
    with pytest.raises(TrackingError, match=f"tracking.parent_run_id={'f' * 32}: Run with id=f+ not found"):
        new_recorder(config).__enter__()
    assert store.client.search_runs([store.experiment_id]) == []


def test_artifacts_of_every_kind_arrive(recorder: Recorder, project: Path) -> None:
    folder = project / "pictures"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    recorder.log_text("hallo ✓", "notes/hello.txt")
    recorder.log_json({"a": [1, 2.5], "b": "ü"}, "config/values.json")
    recorder.log_file(folder / "a.txt")
    recorder.log_file(str(folder), "all")
    recorder.log_figure(matplotlib.figure.Figure(), "plots/curve.png")
    assert text_of(recorder, "notes/hello.txt") == "hallo ✓"
    assert json.loads(text_of(recorder, "config/values.json")) == {"a": [1, 2.5], "b": "ü"}
    assert (text_of(recorder, "a.txt"), text_of(recorder, "all/a.txt")) == ("a", "a")
    assert (Path(recorder.artifact_uri) / "plots/curve.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(item.path for item in recorder.store.client.list_artifacts(recorder.run_id)) == [
        "a.txt",
        "all",
        "config",
        "notes",
        "plots",
    ]


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt"])
def test_an_artifact_cannot_leave_its_run(recorder: Recorder, project: Path, name: str) -> None:
    with pytest.raises(TrackingError, match="the artifact cannot be kept: Invalid artifact"):
        recorder.log_text("x", name)
    assert not list(project.rglob("out.txt"))


def test_a_file_that_is_missing_is_named(recorder: Recorder) -> None:
    with pytest.raises(
        TrackingError, match=r"^nothing\.txt: cannot be kept with the run \(No such file or directory\)$"
    ):
        recorder.log_file("nothing.txt")


def test_the_data_is_recorded_with_our_digest(recorder: Recorder) -> None:
    images, labels = np.zeros((7, 32, 32, 3), np.uint8), np.zeros(7, np.uint8)
    recorder.log_dataset(images, labels, digest="d" * 64, source="/data", name="cifar10", context="train")
    (entry,) = recorder.store.client.get_run(recorder.run_id).inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("cifar10", "d" * 36)
    assert {tag.key: tag.value for tag in entry.tags} == {"mlflow.data.context": "train"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "FINISHED"),
        (SystemExit(), "FINISHED"),
        (SystemExit(0), "FINISHED"),
        (SystemExit(1), "FAILED"),
        (SystemExit("no data"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (Terminated(), "KILLED"),
        (ValueError("bad"), "FAILED"),
        (GeneratorExit(), "FAILED"),
    ],
)
def test_how_the_block_ends_is_the_status(
    database: Path, new_recorder: NewRecorder, error: BaseException | None, status: str
) -> None:
    run = record_and_raise(new_recorder(), error)
    assert run.info.status == status_of(error) == status
    assert run.info.end_time >= run.info.start_time
    assert ("error" in run.data.tags) == (status == "FAILED")


def test_a_failure_is_recorded_in_one_line_without_secrets(database: Path, new_recorder: NewRecorder) -> None:
    run = record_and_raise(
        new_recorder(), ValueError("no answer from http://bob:hunter2@host" + "!" * 600 + "\nlong story")
    )
    assert run.data.tags["error"].startswith("ValueError: no answer from http://***@host!!!")
    assert len(run.data.tags["error"]) == 500


@pytest.mark.parametrize("wrong", [{"params": {"a\nb": 1}}, {"tags": {"../a": "b"}}, {"params": {"x" * 251: 1}}])
def test_names_that_mlflow_refuses_are_an_error_before_a_run_is_made(
    store: Store, project: Path, new_recorder: NewRecorder, wrong: dict[str, Any]
) -> None:
    with pytest.raises(TrackingError, match=r"(params|tags) cannot be recorded: "):
        new_recorder(**wrong).__enter__()
    assert store.client.search_runs([store.experiment_id]) == []
    assert not (project / "outputs").exists()


def test_a_metric_that_mlflow_refuses_is_an_error_and_not_in_the_journal(recorder: Recorder, project: Path) -> None:
    with pytest.raises(TrackingError, match="metrics cannot be recorded: "):
        recorder.log_metrics({"a\nb": 1.0})
    assert [entry.kind for entry in read_journal(project / "outputs/1/journal.jsonl")] == ["begin", "tags", "stored"]


def test_an_ending_that_cannot_be_recorded_does_not_hide_the_error(
    database: Path, project: Path, new_recorder: NewRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def full(*arguments: object) -> None:
        raise OSError("disk full")

    recorder = new_recorder(warn=said.append)
    with contextlib.suppress(ZeroDivisionError), recorder:
        assert recorder.store is not None
        monkeypatch.setattr(recorder.store.client, "set_terminated", full)
        _ = 1 / 0
    status = read_journal(project / "outputs/1/journal.jsonl")[-1].facts["status"]
    assert status == "FAILED"
    assert said == [
        "warning: sqlite:///mlflow.db does not take the record (disk full). The run goes on and is kept in "
        f"{project}/outputs/1; to complete the record: python -m experiments.sync"
    ]
    assert not recorder.in_step


def test_sigterm_in_a_process_of_its_own_leaves_a_killed_run(database: Path) -> None:
    code = (
        "import os, signal, time\n"
        "from pathlib import Path\n"
        "from experiments.tracking.config import TrackingConfig\n"
        "from experiments.tracking.recorder import open_recorder\n"
        "from experiments.tracking.signals import Terminated, code_of, raise_on_stop\n"
        "try:\n"
        "    with raise_on_stop(), open_recorder(TrackingConfig(), Path('r'), 'stopped'):\n"
        "        os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)\n"
        "except Terminated as error:\n"
        "    raise SystemExit(code_of(error))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout, answer.stderr) == (143, "", "")
    from mlflow import MlflowClient

    (run,) = MlflowClient(f"sqlite:///{database}").search_runs(["1"])
    assert (run.info.run_name, run.info.status) == ("stopped", "KILLED")


def test_without_tracking_everything_works_and_nothing_is_written(project: Path) -> None:
    with open_recorder(TrackingConfig(enabled=False), project, "name", {"a": 1}, {"b": "c"}) as recorder:
        recorder.log_epoch(1, {"loss": 1.0}, [Sample(0, 0, {"system/x": 1.0})])
        recorder.log_metrics({"test_loss": 1.0})
        recorder.set_tags({"a": "b"})
        recorder.log_params({"a": 1})
        recorder.log_file("missing.txt")
        recorder.log_text("a", "a.txt")
        recorder.log_json({}, "a.json")
        recorder.log_figure(matplotlib.figure.Figure(), "a.png")
        recorder.log_dataset(np.zeros(1), np.zeros(1), digest="", source="", name="", context="")
        recorder.log_model(None, np.zeros(1))
        recorder.end_children()
    assert isinstance(recorder, NullRecorder)
    assert (recorder.run_id, recorder.run_name, recorder.artifact_uri) == ("", "name", "")
    assert list(project.iterdir()) == []


def test_without_tracking_an_error_passes_through() -> None:
    with pytest.raises(ValueError, match="mine"), open_recorder(TrackingConfig(enabled=False), Path("none")):
        raise ValueError("mine")


def test_without_tracking_mlflow_is_not_imported() -> None:
    code = (
        "import sys; from experiments.tracking.config import TrackingConfig\n"
        "from experiments.tracking.recorder import open_recorder\n"
        "with open_recorder(TrackingConfig(enabled=False), None) as r: r.log_epoch(1, {'loss': 1.0})\n"
        "print('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
