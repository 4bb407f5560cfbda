"""Files of finished runs that are missing, cut or damaged, in a store on this machine and on a server."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mlflow.entities import LoggedModelOutput
from mlflow.models import Model

from cifar.archives import file_sha256
from experiments.tracking.census import Census, Journals, take
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store, open_store
from experiments.tracking.wholeness import broken_files
from tests.services.mlflow_server import Server

NewRecorder = Callable[..., Recorder]


def broken(uri: str, name: str = "one", *, journaled: bool = True) -> list[str]:
    """What is wrong with the files of the only run of this name."""
    census: Census | None = take(uri)
    assert census is not None
    (run,) = [run for run in census.runs if run.info.run_name == name and run.info.status == "FINISHED"]
    journals = Journals.below([Path("outputs")] if journaled else [])
    return broken_files(census, run, journals.of(run))


@pytest.fixture
def recorded(store: Store, new_recorder: NewRecorder, project: Path) -> Path:
    """The folder of a run's artifacts in the store: `a/b.txt` of 2000 bytes, and `empty.txt`."""
    with new_recorder(run_name="one") as recorder:
        recorder.log_text("x" * 2000, "a/b.txt")
        recorder.log_text("", "empty.txt")
    return project / recorder.artifact_uri


@pytest.fixture
def modelled(store: Store, new_recorder: NewRecorder, project: Path, tensorflow_on_cpu: None) -> Path:
    """The folder of a run's network in the store."""
    import keras

    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(10)])
    with new_recorder(run_name="one") as recorder:
        recorder.log_text("x", "a.txt")
        recorder.log_model(model, np.zeros((1, 32, 32, 3), np.uint8))
    (output,) = store.client.get_run(recorder.run_id).outputs.model_outputs
    return project / store.client.get_logged_model(output.model_id).artifact_location


@pytest.mark.parametrize("journaled", [True, False])
def test_files_that_are_as_they_were_recorded_are_whole(recorded: Path, journaled: bool) -> None:
    assert broken("sqlite:///mlflow.db", journaled=journaled) == []


def test_a_missing_and_a_cut_artifact_are_told(recorded: Path) -> None:
    (recorded / "a" / "b.txt").write_text("x" * 700)
    (recorded / "empty.txt").unlink()
    assert broken("sqlite:///mlflow.db") == ["a/b.txt is cut: 700 of 2,000 bytes", "empty.txt is missing"]
    assert broken("sqlite:///mlflow.db", journaled=False) == []


def test_where_the_runs_folder_has_no_copies_any_more_files_only_have_to_be_there(recorded: Path) -> None:
    shutil.rmtree("outputs/1/artifacts")
    (recorded / "a" / "b.txt").write_text("x" * 700)
    assert broken("sqlite:///mlflow.db") == []
    (recorded / "a" / "b.txt").unlink()
    assert broken("sqlite:///mlflow.db") == ["a/b.txt is missing"]


def test_a_run_of_ours_without_any_files_is_told_without_its_journal(recorded: Path, store: Store) -> None:
    shutil.rmtree(recorded)
    assert broken("sqlite:///mlflow.db", journaled=False) == ["all of its artifacts are missing"]
    (run,) = store.client.search_runs([store.experiment_id])
    store.client.delete_tag(run.info.run_id, "journal.id")
    assert broken("sqlite:///mlflow.db", journaled=False) == [], "another tool's run may have none"


def test_a_network_that_is_missing_cut_or_another_is_told(modelled: Path, store: Store) -> None:
    keras_file = modelled / "data" / "model.keras"
    (run,) = store.client.search_runs([store.experiment_id])
    store.client.set_tag(run.info.run_id, "model.sha256", file_sha256(keras_file))
    assert broken("sqlite:///mlflow.db") == []
    assert broken("sqlite:///mlflow.db", journaled=False) == []
    content = keras_file.read_bytes()
    keras_file.write_bytes(content[:100])
    assert broken("sqlite:///mlflow.db") == [f"model/data/model.keras is cut: 100 of {len(content):,} bytes"]
    assert broken("sqlite:///mlflow.db", journaled=False) == [
        "model/data/model.keras is damaged: it is no archive any more"
    ]
    keras_file.write_bytes(content.replace(b"layers", b"lairs_"))
    assert broken("sqlite:///mlflow.db") == [
        "model/data/model.keras is not the file that was recorded: its SHA-256 is another than the tag model.sha256"
    ]
    shutil.rmtree(modelled)
    assert broken("sqlite:///mlflow.db", journaled=False) == [
        "model/MLmodel is missing",
        "model/data/model.keras is missing",
    ]


def test_of_a_run_that_was_extended_each_network_is_compared_with_its_own_copy(modelled: Path, store: Store) -> None:
    import keras

    layers = [keras.layers.Flatten(), keras.layers.Dense(70), keras.layers.Dense(10)]  # larger than the first
    (run,) = store.client.search_runs([store.experiment_id])
    with Recorder(TrackingConfig(), Path("outputs/1"), resume=run.info.run_id) as recorder:
        model = keras.Sequential([keras.Input((32, 32, 3)), *layers])
        recorder.log_model(model, np.zeros((1, 32, 32, 3), np.uint8), step=2)
    run = store.client.get_run(run.info.run_id)
    outputs = {output.step: output.model_id for output in run.outputs.model_outputs}
    assert sorted(outputs) == [0, 2]
    assert broken("sqlite:///mlflow.db") == []
    assert broken("sqlite:///mlflow.db", journaled=False) == []
    newest = Path(store.client.get_logged_model(outputs[2]).artifact_location, "data", "model.keras")
    content = newest.read_bytes()
    newest.write_bytes(content.replace(b"layers", b"lairs_"))
    assert broken("sqlite:///mlflow.db") == [
        "model/data/model.keras is not the file that was recorded: its SHA-256 is another than the tag model.sha256"
    ]
    newest.write_bytes(content[:-1])
    assert broken("sqlite:///mlflow.db") == [
        f"model/data/model.keras is cut: {len(content) - 1:,} of {len(content):,} bytes"
    ]


def test_files_on_a_server_are_those_that_it_lists(server: Server, new_recorder: NewRecorder, project: Path) -> None:
    config = TrackingConfig(uri=server.uri, experiment="wholeness")
    with new_recorder(config, run_name="on a server") as recorder:
        recorder.log_text("x" * 2000, "a/b.txt")
        recorder.log_text("y", "a/c.txt")
    assert broken(server.uri, "on a server") == []
    store = open_store(config)
    logged = store.client.create_logged_model(store.experiment_id, "net", recorder.run_id)
    (project / "net").mkdir()
    Model(model_id=logged.model_id).save(str(project / "net" / "MLmodel"))
    store.client.log_model_artifacts(logged.model_id, str(project / "net"))
    store.client.finalize_logged_model(logged.model_id, "READY")
    store.client.log_outputs(recorder.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    assert broken(server.uri, "on a server") == []
    Path("outputs/1/artifacts/a/b.txt").write_text("x" * 3000)
    assert broken(server.uri, "on a server") == ["a/b.txt is cut: 2,000 of 3,000 bytes"]
