from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient

from cifar.fields import ConfigError
from experiments.tracking import database as tracking_database
from experiments.tracking import store as tracking_store
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError, UnreachableError
from experiments.tracking.store import (
    Store,
    check_server,
    existing_store,
    folder_name,
    kept_address,
    open_store,
    open_to_read,
    read_database,
    wait_no_longer_than,
)
from tests.services.mlflow_server import Server

NewRecorder = Callable[..., Recorder]

# Forks only after the imports: 8 processes that import MLflow on their own would take half a minute.
COLD_STARTS = """
import os, sys, time
from pathlib import Path
from experiments.tracking import database as tracking_database
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import import_mlflow

import_mlflow()
import mlflow.store.tracking.sqlalchemy_store

def start(number, at):
    time.sleep(max(0, at - time.time()))
    config = TrackingConfig()
    with Recorder(config, Path("outputs", str(number)), f"run-{number}", {"number": number}) as recorder:
        recorder.log_epoch(1, {"loss": float(number)})

at = time.time() + 0.3
children = []
for number in range(8):
    child = os.fork()
    if child == 0:
        try:
            start(number, at)
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""


def test_eight_processes_start_at_once_on_no_database(project: Path) -> None:
    answer = subprocess.run([sys.executable, "-c", COLD_STARTS], capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("[0, 0, 0, 0, 0, 0, 0, 0]\n", "")
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("cifar10").experiment_id])
    assert sorted((run.info.run_name, run.data.metrics["loss"], run.info.status) for run in runs) == [
        (f"run-{number}", float(number), "FINISHED") for number in range(8)
    ]


def test_the_default_is_mlflows_own_place(store: Store, project: Path) -> None:
    assert store.uri == f"sqlite:///{project}/mlflow.db"
    assert MlflowClient(store.uri).get_experiment(store.experiment_id).name == "cifar10"
    assert {item.name: item.artifact_location for item in store.client.search_experiments()} == {
        "cifar10": "mlruns/cifar10",
        "Default": "mlruns/0",
    }


def test_opening_twice_gives_the_same_experiment(store: Store) -> None:
    assert open_store(TrackingConfig()).experiment_id == store.experiment_id


def test_a_folder_that_was_moved_still_shows_its_artifacts(
    store: Store, project: Path, monkeypatch: pytest.MonkeyPatch, new_recorder: NewRecorder
) -> None:
    with new_recorder() as recorder:
        recorder.log_text("hello", "folder/note.txt")
    moved = project.parent / (project.name + "-moved")
    shutil.copytree(project, moved)
    shutil.rmtree(project / "mlruns")
    monkeypatch.chdir(moved)
    # absolute: within a process MLflow keeps the store that "sqlite:///mlflow.db" first meant
    client = MlflowClient(f"sqlite:///{moved}/mlflow.db")
    copy = client.download_artifacts(recorder.run_id, "folder/note.txt")
    assert (moved / recorder.artifact_uri / "folder" / "note.txt").exists()
    assert Path(copy).read_text() == "hello"


def test_a_database_elsewhere_keeps_its_artifacts_beside_it(
    made_database: Path, project: Path, monkeypatch: pytest.MonkeyPatch, new_recorder: NewRecorder
) -> None:
    (project / "here").mkdir()
    (project / "there").mkdir()
    shutil.copy(made_database, project / "there" / "mlflow.db")
    monkeypatch.chdir(project / "here")
    config = TrackingConfig(uri="sqlite:///../there/mlflow.db", experiment="other")
    with new_recorder(config) as recorder:
        recorder.log_text("hello", "note.txt")
    assert Path(recorder.artifact_uri).parents[1] == project / "there" / "mlruns" / "other"
    assert recorder.store.uri == f"sqlite:///{project}/there/mlflow.db"
    with pytest.raises(
        TrackingError, match=r"keeps its artifacts in the mlruns folder beside it\. Start from there: cd"
    ):
        open_store(TrackingConfig(uri=config.uri))


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cifar10", "cifar10"),
        ("Model 1", "Model-1-"),
        ("../../etc", "etc-"),
        ("a/b", "a-b-"),
        ("' OR 1=1 --", "OR-1-1-"),
        ("日本 🚀", "experiment-"),
        ("..", "experiment-"),
        ("%2e%2e#?", "2e-2e-"),
        ("x" * 250, "x" * 60 + "-"),
    ],
)
def test_any_name_is_kept_and_its_folder_is_safe(
    store: Store, project: Path, new_recorder: NewRecorder, name: str, folder: str
) -> None:
    config = TrackingConfig(experiment=name, run_name=name)
    with new_recorder(config) as recorder:
        recorder.log_text("hello", "note.txt")
    experiment = store.client.get_experiment_by_name(name)
    assert recorder.store.experiment_id == experiment.experiment_id
    assert experiment.artifact_location == f"mlruns/{folder_name(name)}"
    assert folder_name(name).startswith(folder)
    assert [path.parts[0] for path in Path("mlruns").rglob("note.txt")] == ["mlruns"]
    (run,) = store.client.search_runs([experiment.experiment_id])
    assert run.info.run_name == name
    left = sorted(path.name for path in project.iterdir() if not path.name.startswith("mlflow.db"))
    assert left == ["mlruns", "outputs"]


def test_two_names_never_share_a_folder() -> None:
    assert len({folder_name(name) for name in ("a/b", "a-b", "a b", "../a/b")}) == 4


def test_a_deleted_experiment_is_not_brought_back_unasked(store: Store) -> None:
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(TrackingError) as caught:
        open_store(TrackingConfig())
    assert str(caught.value) == (
        "tracking.experiment=cifar10: this MLflow experiment was deleted. Choose another name, or restore it: "
        f"mlflow experiments restore --experiment-id {store.experiment_id}"
    )


def test_mlflows_own_variable_names_the_store(
    made_database: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(made_database, project / "mine.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    assert open_store(TrackingConfig()).uri == f"sqlite:///{project}/mine.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    with pytest.raises(ConfigError, match=r"MLFLOW_TRACKING_URI=\./mlruns: expected the address of a database"):
        open_store(TrackingConfig())


def test_a_server_that_is_down_costs_seconds_and_tells_no_password(project: Path) -> None:
    began = time.perf_counter()
    with pytest.raises(TrackingError) as caught:
        open_store(TrackingConfig(uri="http://bob:hunter2@127.0.0.1:9"))
    assert str(caught.value) == "http://***@127.0.0.1:9: cannot be reached: Connection refused"
    assert isinstance(caught.value, UnreachableError), "it may come back"
    assert "hunter2" not in str(caught.value)
    assert time.perf_counter() - began < 15


def test_a_server_that_takes_the_connection_and_says_nothing_is_waited_for_for_seconds_only(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    monkeypatch.setattr(tracking_store, "READING_SECONDS", 1)
    began = time.perf_counter()
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        uri = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="cannot be reached: no answer in time"):
            open_to_read(TrackingConfig(uri=uri))
    assert time.perf_counter() - began < 15


def test_a_database_that_is_locked_is_no_mistake_of_the_user(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_database, "BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnreachableError, match=r"^sqlite:///mlflow\.db: cannot be opened: database is locked"):
            open_store(TrackingConfig())
        other.execute("ROLLBACK")


def test_nor_is_one_that_another_process_is_opening_for_long(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tracking_database.locked(database):
        monkeypatch.setattr(tracking_database, "locked", partial(tracking_database.locked, seconds=0.1))
        with pytest.raises(UnreachableError, match=r"^mlflow\.db\.lock: another process has held it for 0\.1 s"):
            open_store(TrackingConfig())


def test_looking_for_a_store_makes_none(project: Path, made_database: Path, server: Server) -> None:
    assert existing_store(TrackingConfig()) is None
    assert list(project.iterdir()) == []
    shutil.copy(made_database, project / "mlflow.db")
    assert existing_store(TrackingConfig(experiment="other")) is None
    found = existing_store(TrackingConfig())
    assert found is not None
    assert found.experiment_id == open_store(TrackingConfig()).experiment_id
    assert existing_store(TrackingConfig(uri=server.uri, experiment="no such")) is None
    assert len(read_database(project / "mlflow.db").client.search_experiments()) == 2


def test_a_server_is_asked_before_anything_is_brought(project: Path, server: Server, nothing_but_403: str) -> None:
    check_server(server.uri)
    check_server("sqlite:///not-there.db")
    with pytest.raises(
        UnreachableError, match=r"^http://\*\*\*@127\.0\.0\.1:9: cannot be reached: Connection refused$"
    ):
        check_server("http://me:canary@127.0.0.1:9")
    with pytest.raises(TrackingError, match="403") as caught:
        check_server(nothing_but_403)
    assert not isinstance(caught.value, UnreachableError)


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:///sub/../mlflow.db?timeout=3", "sqlite:///mlflow.db"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("https://me:canary@host:5000/x", "https://***@host:5000/x"),
    ],
)
def test_an_address_is_kept_without_its_password_and_moves_with_the_folder(project: Path, uri: str, kept: str) -> None:
    assert kept_address(uri) == kept


@pytest.mark.parametrize(("asked", "seconds"), [(None, "10"), ("120", "10"), ("3", "3"), ("x", "10")])
def test_a_user_can_shorten_the_wait_for_a_server(
    project: Path, monkeypatch: pytest.MonkeyPatch, asked: str | None, seconds: str
) -> None:
    if asked is not None:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", asked)
    wait_no_longer_than(10)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == seconds


def test_a_store_does_not_print_its_password() -> None:
    store = Store(client=None, uri="http://bob:hunter2@host", experiment_id="1")
    assert str(store) == "http://***@host"
    assert "hunter2" not in repr(store)
