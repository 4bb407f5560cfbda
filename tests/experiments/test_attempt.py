"""However a run ends: its exit code, its line, its status, its result."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from cifar import compute, training
from cifar.checkpoints import CheckpointError
from cifar.config import ComputeConfig
from experiments.attempt import attempt
from experiments.execution import read_result
from experiments.multirun import Membership
from experiments.tracking.signals import Terminated
from experiments.tracking.store import Store

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu", "empty_pictures", "signals_arrive")

DIVERGES = ("optimizer=sgd", "optimizer.learning_rate=100", "optimizer.weight_decay=0.9")


@pytest.fixture
def run_ends(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes the training raise this."""

    def ends(error: BaseException) -> None:
        def raise_it(*arguments: object) -> None:
            raise error

        monkeypatch.setattr(training, "train", raise_it)

    return ends


def only_run(store: Store) -> Any:
    (run,) = store.client.search_runs([store.experiment_id])
    return run


def test_a_run_that_is_done_says_where_it_is(
    store: Store, tmp_path: Path, composed: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = composed("training.epochs=1", "tracking.log_model=false")
    assert attempt(cfg, "", tmp_path) == 0
    run, result = only_run(store), read_result(tmp_path)
    assert run.info.status == "FINISHED"
    assert result is not None
    assert result.run_id == run.info.run_id
    ui = "mlflow ui" if shutil.which("mlflow") else f"{sys.executable} -m experiments.ui"
    where, how = capsys.readouterr().out.splitlines()[-2:]
    page = f"#/experiments/{store.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning"
    assert where == f"recorded as model1-rmsprop-seed0, run {run.info.run_id}; log: {tmp_path}"
    assert how == f"to look at it: {ui}, then open http://127.0.0.1:5000/{page}"


def test_an_error_of_ours_is_failed_with_a_traceback(
    store: Store,
    tmp_path: Path,
    composed: Callable[..., DictConfig],
    run_ends: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_ends(RuntimeError("out of paper at https://me:canary@host/\nsecond line"))
    assert attempt(composed(), "", tmp_path) == 1
    run, result, printed = only_run(store), read_result(tmp_path), capsys.readouterr()
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "RuntimeError: out of paper at https://***@host/"
    assert "Traceback (most recent call last)" in printed.err
    assert printed.err.endswith("RuntimeError: out of paper at https://***@host/\nsecond line\n")
    assert result is not None
    assert (result.status, result.error) == ("FAILED", "RuntimeError: out of paper at https://***@host/")
    assert result.params["model.filters"] == "2"


@pytest.mark.parametrize(("code", "exit_code", "status"), [(None, 0, "FINISHED"), (0, 0, "FINISHED"), (3, 3, "FAILED")])
def test_an_exit_of_the_users_code_is_what_it_says(
    store: Store,
    tmp_path: Path,
    composed: Callable[..., DictConfig],
    run_ends: Callable[[BaseException], None],
    code: int | None,
    exit_code: int,
    status: str,
) -> None:
    run_ends(SystemExit(code))
    assert attempt(composed(), "", tmp_path) == exit_code
    assert only_run(store).info.status == status


def test_a_run_whose_output_nobody_reads_any_more_goes_on_to_its_end(
    store: Store, tmp_path: Path, composed: Callable[..., DictConfig], unread: AbstractContextManager[None]
) -> None:
    with unread:
        assert attempt(composed("tracking.log_model=false"), "", tmp_path) == 0
    run, result = only_run(store), read_result(tmp_path)
    assert result is not None
    assert (run.info.status, result.status) == ("FINISHED", "FINISHED")
    assert "error" not in run.data.tags
    assert len(store.client.get_metric_history(run.info.run_id, "loss")) == 2
    assert "test_accuracy" in run.data.metrics


def test_an_exit_with_a_message_shows_it(
    store: Store,
    tmp_path: Path,
    composed: Callable[..., DictConfig],
    run_ends: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_ends(SystemExit("enough"))
    assert attempt(composed(), "", tmp_path) == 1
    assert only_run(store).data.tags["error"] == "SystemExit: enough"
    assert capsys.readouterr().err == "enough\n"


def test_a_training_that_diverges_is_failed_in_one_line(
    store: Store, tmp_path: Path, composed: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert attempt(composed(*DIVERGES, "training.epochs=5"), "", tmp_path) == 1
    run, (line,) = only_run(store), capsys.readouterr().err.splitlines()
    # whether the loss or a weight is seen first differs from machine to machine
    found = r"error: the .+ became NaN or infinite in epoch \d, by step \d of 2; "
    assert re.match(found + r"try a lower optimizer.learning_rate \(now 100\) or optimizer.clipnorm=1$", line)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "TrainingDivergedError: " + line.removeprefix("error: ")
    assert run.data.metrics["loss"] > 0, "the epochs before stay recorded"


def test_a_gpu_that_is_not_there_is_one_line_and_no_run(
    store: Store,
    tmp_path: Path,
    composed: Callable[..., DictConfig],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # This process has hidden its GPUs from TensorFlow; it only has to forget that it was told so.
    monkeypatch.setattr(compute, "_prepared", ComputeConfig(device="gpu"))
    assert attempt(composed("compute=gpu"), "", tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: compute.device=gpu: expected a GPU that the backend can use. None was found: ")
    assert store.client.search_runs([store.experiment_id]) == []


def test_a_store_that_cannot_be_used_is_one_line(
    project: Path, composed: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "mlflow.db").write_text("no database")
    assert attempt(composed(), "", project) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: mlflow.db: cannot be read as a database")


def test_a_checkpoint_that_cannot_be_used_is_one_line(
    store: Store,
    tmp_path: Path,
    composed: Callable[..., DictConfig],
    run_ends: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_ends(CheckpointError("checkpoints/epoch-0003: cannot be written"))
    assert attempt(composed(), "", tmp_path) == 2
    assert capsys.readouterr().err == "error: checkpoints/epoch-0003: cannot be written\n"
    assert only_run(store).info.status == "FAILED"


def signalled(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sends this process a signal while it trains, from outside of the training."""
    train = training.train

    def train_and_be_stopped(*arguments: Any) -> Any:
        threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
        return train(*arguments)

    monkeypatch.setattr(training, "train", train_and_be_stopped)


@pytest.mark.parametrize(
    ("number", "exit_code", "line"),
    [
        (signal.SIGINT, 130, "stopped by Ctrl-C"),
        (signal.SIGTERM, 143, "stopped by SIGTERM"),
        (signal.SIGHUP, 129, "stopped by SIGHUP"),
    ],
)
def test_a_stop_is_killed_and_has_the_shells_own_exit_code(
    store: Store,
    tmp_path: Path,
    composed: Callable[..., DictConfig],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    exit_code: int,
    line: str,
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    signalled(number, monkeypatch)
    assert attempt(composed("training.epochs=100000"), "", tmp_path) == exit_code
    result = read_result(tmp_path)
    assert result is not None
    assert (only_run(store).info.status, result.status) == ("KILLED", "KILLED")
    *_, said, way = capsys.readouterr().out.splitlines()
    assert (said, way) == (line, "to go on: python -m experiments.run resume=."), "the folder that it was typed in"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_stop_that_a_library_swallows_and_fails_for_is_no_failure(
    store: Store,
    tmp_path: Path,
    composed: Callable[..., DictConfig],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def trace(*arguments: Any) -> Any:
        with suppress(BaseException):  # as Keras does where it asks for a tensor's size
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        raise TypeError("there is no size")

    monkeypatch.setattr(training, "train", trace)
    assert attempt(composed(), "", tmp_path) == 143
    assert only_run(store).info.status == "KILLED"
    printed = capsys.readouterr()
    assert (printed.out.splitlines()[-2], printed.err) == ("stopped by SIGTERM", "")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated])
def test_in_a_multirun_a_stop_goes_on_to_stop_all_of_it(
    store: Store,
    tmp_path: Path,
    composed: Callable[..., DictConfig],
    run_ends: Callable[[BaseException], None],
    stop: type[BaseException],
) -> None:
    run_ends(stop())
    with pytest.raises(stop):
        attempt(composed(), "", tmp_path, Membership(1, 2, None, live=True, overrides=()))
    result = read_result(tmp_path)
    assert result is not None
    assert (only_run(store).info.status, result.status) == ("KILLED", "KILLED")


def test_without_tracking_nothing_is_recorded_and_it_says_so(
    project: Path, composed: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert attempt(composed("tracking=off", "training.epochs=1"), "", project) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"not recorded (tracking.enabled=false); log: {project}"
    assert sorted(file.name for file in project.iterdir()) == [".hydra", "checkpoints", "result.json"]


def test_what_hydra_wrote_down_holds_no_password(
    project: Path, composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".hydra").mkdir()
    (project / ".hydra" / "overrides.yaml").write_text("- tracking.uri=https://me:canary@host\n- seed=1\n")
    monkeypatch.setattr(sys, "argv", ["run"])
    attempt(composed("tracking=off", "compute=gpu"), "", project)
    assert (project / ".hydra" / "overrides.yaml").read_text() == "- tracking.uri=https://***@host\n- seed=1\n"
