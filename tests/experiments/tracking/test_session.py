"""Runs whose server is away, frozen, or loses replies: the training goes on, and nothing is lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.models import Model

from experiments.sync import main as sync
from experiments.tracking import courier, session
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.system import Sample
from tests.dumps import dump
from tests.services.mlflow_server import Proxy, Server

pytestmark = pytest.mark.usefixtures("impatient")

NewRecorder = Callable[..., Recorder]
EPOCHS = 4


class Place:
    """An experiment of its own on the server, and what a run says to a person."""

    def __init__(self, uri: str) -> None:
        self.config = TrackingConfig(uri=uri, experiment=f"outages-{uuid4().hex[:8]}")
        self.said: list[str] = []

    def record(self, recorder: Recorder, at_epoch: Callable[[int], object] = lambda epoch: None) -> Recorder:
        """A run of some epochs with something of every kind; calls back after each epoch."""
        with recorder:
            recorder.log_text("seed: 0\n", "config.yaml")
            images = np.zeros((3, 32, 32, 3), np.uint8)
            recorder.log_dataset(images, images[:, 0, 0, 0], digest="d", source="/data", name="x", context="train")
            for epoch in range(1, EPOCHS + 1):
                samples = [Sample(1000 + epoch, epoch, {"system/x": 1.5 * epoch})]
                recorder.log_epoch(epoch, {"loss": 1 / epoch, "broken": float("nan")}, samples)
                at_epoch(epoch)
            recorder.log_metrics({"test_accuracy": 0.1 + 0.2})
            recorder.log_text("# done\n", "figures/notes.md")
            record_model(recorder)
        return recorder

    def dump(self, uri: str) -> dict[str, Any]:
        return dump(MlflowClient(uri), self.config.experiment)


def record_model(recorder: Recorder) -> None:
    """A network as far as a store can tell, without the seconds that a real one takes."""
    folder = recorder._session.folder / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"0" * 5000)
    Model().save(str(folder / "MLmodel"))
    recorder._session.record("model", folder="model", name="model")


@pytest.fixture
def place(proxy: Proxy) -> Place:
    return Place(proxy.uri)


@pytest.fixture
def the_truth(project: Path, made_database: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[Place], Any]:
    """What the journals tell, in a fresh database beside."""

    def bring(place: Place) -> Any:
        (project / "truth.db").write_bytes(made_database.read_bytes())
        assert sync(["--to", "sqlite:///truth.db"]) == 0
        capsys.readouterr()
        return place.dump(f"sqlite:///{project}/truth.db")

    return bring


def test_a_server_that_is_there_has_everything_at_the_end(
    place: Place, server: Server, new_recorder: NewRecorder, the_truth: Callable[[Place], Any]
) -> None:
    recorder = place.record(new_recorder(place.config, "fine", {"a": 1}, {"b": "c"}, warn=place.said.append))
    assert (recorder.in_step, place.said) == (True, [])
    (run,) = place.dump(server.uri).values()
    assert run == the_truth(place)["fine"]
    at = run["metrics"][0][3]
    assert [metric[:3] for metric in run["metrics"] if metric[0] == "loss"] == [
        ("loss", 1, "1.0"), ("loss", 2, "0.5"), ("loss", 3, repr(1 / 3)), ("loss", 4, "0.25"),
    ]  # fmt: skip
    assert [metric for metric in run["metrics"] if metric[0] == "system/x"] == [
        ("system/x", step, repr(1.5 * step), 1000 + step) for step in (1, 2, 3, 4)
    ]
    assert [metric[2] for metric in run["metrics"] if metric[0] == "broken"] == ["nan"] * 4
    assert abs(at - time.time() * 1000) < 60_000
    assert run["artifacts"] == {"config.yaml": b"seed: 0\n", "figures/notes.md": b"# done\n"}
    assert (run["params"], run["tags"]["b"], run["status"]) == ({"a": "1"}, "c", "FINISHED")
    assert run["models"][0][0] == "model"


def test_a_server_that_is_down_costs_one_warning_and_sync_completes_it(
    place: Place, proxy: Proxy, server: Server, new_recorder: NewRecorder, the_truth: Callable[[Place], Any],
    project: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    proxy.close()
    recorder = place.record(new_recorder(place.config, "down", {"a": 1}, warn=place.said.append))
    assert (recorder.in_step, recorder.run_id, recorder.store) == (False, "", None)
    assert place.said == [
        f"warning: {proxy.uri} does not take the record (Connection refused). The run goes on and is kept in "
        f"{project}/outputs/1; to complete the record: python -m experiments.sync"
    ]
    assert sync([]) == 1
    printed = capsys.readouterr()
    assert printed.err == (
        f"not complete: {proxy.uri}: cannot be reached: Connection refused\nnot complete: 1 run waits for {proxy.uri}\n"
    )
    proxy.open()
    assert sync([]) == 0
    first = place.dump(server.uri)
    assert first == the_truth(place)
    assert sync([]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "1 run complete, 0 new, 0 metrics added, 13 already there, 0 files added"
    )
    assert place.dump(server.uri) == first


def test_a_server_that_comes_back_is_caught_up_with(
    place: Place, proxy: Proxy, server: Server, new_recorder: NewRecorder, the_truth: Callable[[Place], Any]
) -> None:
    def fault(epoch: int) -> None:
        if epoch == 1:
            proxy.close()
        if epoch == 3:
            time.sleep(0.5)
            proxy.open()

    recorder = place.record(new_recorder(place.config, "back", warn=place.said.append), fault)
    assert (recorder.in_step, len(place.said)) == (True, 1)
    assert place.dump(server.uri) == the_truth(place)


def test_a_server_that_goes_for_good_has_what_it_was_told_and_sync_brings_the_rest(
    place: Place, proxy: Proxy, server: Server, new_recorder: NewRecorder, the_truth: Callable[[Place], Any]
) -> None:
    def fault(epoch: int) -> None:
        if epoch == 2:
            time.sleep(0.5)  # it has the first epochs
            proxy.close()

    recorder = place.record(new_recorder(place.config, "gone", {"a": 1}, warn=place.said.append), fault)
    assert (recorder.in_step, len(place.said)) == (False, 1)
    (run,) = place.dump(server.uri).values()
    assert (run["status"], run["latest"]["loss"]) == ("RUNNING", "0.5")
    proxy.open()
    assert sync([]) == 0
    assert place.dump(server.uri) == the_truth(place)


def test_a_server_that_hangs_does_not_hold_up_the_epochs(
    place: Place, server: Server, new_recorder: NewRecorder, the_truth: Callable[[Place], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(session, "REQUEST_SECONDS", 3)  # all that it waits for is waited out
    monkeypatch.setattr(session, "OPENING_SECONDS", 1.5)
    monkeypatch.setattr(courier, "STEP_SECONDS", 1.5)
    took: list[float] = []

    def fault(epoch: int) -> None:
        took.append(time.monotonic())
        if epoch == 1:
            server.freeze()

    place.config = TrackingConfig(uri=server.uri, experiment=place.config.experiment)
    try:
        recorder = place.record(new_recorder(place.config, "hangs", warn=place.said.append), fault)
        ended = time.monotonic()
        late = new_recorder(place.config, "hangs at the start", warn=place.said.append)
        place.record(late)
        assert time.monotonic() - ended < 8
    finally:
        server.thaw()
    assert took[-1] - took[0] < 0.5, "an epoch waits for the disk only"
    assert ended - took[-1] < 4
    assert (recorder.in_step, late.in_step) == (False, False)
    assert [text.partition("(")[2].partition(")")[0] for text in place.said] == ["no answer in time"] * 2
    time.sleep(0.5)  # it does now what it was asked then
    assert sync([]) == 0
    assert place.dump(server.uri) == the_truth(place)


LOST = (
    "experiments/create",
    "runs/create",
    "runs/log-batch",
    "runs/log-inputs",
    "config.yaml",
    "mlflow/logged-models",
    "weights.bin",
    "runs/outputs",
    "runs/update",
    "runs/set-tag",
)


@pytest.mark.parametrize("path", LOST)
def test_a_reply_that_is_lost_after_the_commit_doubles_nothing(
    place: Place,
    proxy: Proxy,
    server: Server,
    new_recorder: NewRecorder,
    the_truth: Callable[[Place], Any],
    path: str,
) -> None:
    proxy.lose(path)
    recorder = place.record(new_recorder(place.config, "lost", {"a": 1}, {"b": "c"}, warn=place.said.append))
    assert proxy.lost == [path]
    if not recorder.in_step:
        assert sync([]) == 0
    assert place.dump(server.uri) == the_truth(place)
    assert len(place.said) <= 1
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(place.config.experiment)
    assert len(client.search_runs([experiment.experiment_id], run_view_type=3)) == 1
    assert len(client.search_logged_models([experiment.experiment_id])) == 1


def test_a_run_that_the_server_makes_long_after_it_was_asked_to_does_not_stay(
    place: Place, proxy: Proxy, server: Server, new_recorder: NewRecorder, the_truth: Callable[[Place], Any]
) -> None:
    place.record(new_recorder(place.config, "before"))
    may_be_made = proxy.hold("runs/create")
    recorder = new_recorder(place.config, "late", {"a": 1}, warn=place.said.append)

    def wait_for_the_run_that_was_asked_for_anew(epoch: int) -> None:
        deadline = time.monotonic() + 60
        while not recorder.in_step and time.monotonic() < deadline:
            time.sleep(0.05)

    place.record(recorder, wait_for_the_run_that_was_asked_for_anew)
    assert (recorder.in_step, len(place.said)) == (True, 1)
    may_be_made.set()
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(place.config.experiment)
    deadline = time.monotonic() + 60
    while len(client.search_runs([experiment.experiment_id])) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(client.search_runs([experiment.experiment_id])) == 3, "the server has made a second run"
    assert sync([]) == 0
    assert place.dump(server.uri) == the_truth(place)
