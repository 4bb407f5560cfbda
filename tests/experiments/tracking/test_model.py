from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.tracking.model import HASH_TAG, save_model
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store

NewRecorder = Callable[..., Recorder]

ROOT = Path(__file__).resolve().parents[3]
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def run_id(store: Store, network: Any, new_recorder: NewRecorder) -> str:
    """A finished run with a network."""
    with new_recorder(params={"model.name": "model1"}) as recorder:
        recorder.log_epoch(1, {"loss": 2.0})
        recorder.log_epoch(2, {"loss": 1.0, "system/x": 1.0})
        recorder.log_metrics({"test_accuracy": 0.5})
        recorder.log_model(network, IMAGES[:2])
    return recorder.run_id


@pytest.fixture
def probabilities(network: Any) -> np.ndarray:
    return np.asarray(network(IMAGES))


@pytest.fixture
def mlflow(store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    import mlflow.keras
    import mlflow.pyfunc

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    return mlflow


def test_keras_loads_it_and_it_answers_as_before(run_id: str, mlflow: Any, probabilities: np.ndarray) -> None:
    loaded = mlflow.keras.load_model(f"runs:/{run_id}/model")
    np.testing.assert_array_equal(np.asarray(loaded(IMAGES)), probabilities)


def test_as_a_function_it_takes_raw_pixels_and_nothing_else(
    run_id: str, mlflow: Any, probabilities: np.ndarray
) -> None:
    function = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    answer = function.predict(IMAGES)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, probabilities, rtol=1e-5)
    with pytest.raises(mlflow.exceptions.MlflowException, match="dtype of input float32 does not match"):
        function.predict(IMAGES.astype(np.float32) / 255)
    with pytest.raises(mlflow.exceptions.MlflowException, match="Shape of input"):
        function.predict(IMAGES[:, :16])


def test_it_carries_signature_example_requirements_params_and_metrics(run_id: str, store: Store, mlflow: Any) -> None:
    (output,) = store.client.get_run(run_id).outputs.model_outputs
    logged = store.client.get_logged_model(output.model_id)
    assert (logged.name, logged.source_run_id, str(logged.status)) == ("model", run_id, "READY")
    assert logged.artifact_location == f"mlruns/cifar10/models/{output.model_id}/artifacts"
    assert logged.params == {"model.name": "model1"}
    assert {item.key: (item.value, item.step) for item in logged.metrics} == {
        "loss": (1.0, 2),
        "test_accuracy": (0.5, 0),
    }
    info = mlflow.models.get_model_info(logged.model_uri)
    assert [(item.type, item.shape) for item in info.signature.inputs.inputs] == [(np.dtype("uint8"), (-1, 32, 32, 3))]
    assert [(item.type, item.shape) for item in info.signature.outputs.inputs] == [(np.dtype("float32"), (-1, 10))]
    folder = Path(logged.artifact_location)
    assert (folder / "requirements.txt").read_text().split() == [
        f"{name}=={metadata.version(name)}" for name in ("mlflow", "keras", "tensorflow", "numpy")
    ]
    example = json.loads((folder / "serving_input_example.json").read_text())
    assert example == {"inputs": IMAGES[:2].tolist()}


def test_to_require_the_versions_that_are_installed_mlflow_does_not_read_what_else_is(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.utils import environment, requirements_utils

    read: list[str] = []
    monkeypatch.setattr(requirements_utils, "_init_packages_to_modules_map", lambda: read.append("all"))
    check = environment.warn_dependency_requirement_mismatches
    save_model(tmp_path / "saved", network, IMAGES[:2])
    assert read == []
    assert environment.warn_dependency_requirement_mismatches is check
    check(["numpy>=1"])
    assert read == ["all"], "else this test would not see it"


def test_no_metric_of_the_run_is_doubled(run_id: str, store: Store) -> None:
    history = store.client.get_metric_history(run_id, "loss")
    assert [(item.step, item.value) for item in history] == [(1, 2.0), (2, 1.0)]
    assert len(store.client.get_metric_history(run_id, "test_accuracy")) == 1


def test_it_is_loaded_from_a_folder_that_was_moved(
    run_id: str, mlflow: Any, project: Path, probabilities: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = project.parent / (project.name + "-moved")
    shutil.copytree(project, moved)
    shutil.rmtree(project / "mlruns")
    monkeypatch.chdir(moved)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{moved}/mlflow.db")
    loaded = mlflow.keras.load_model(f"runs:/{run_id}/model")
    np.testing.assert_array_equal(np.asarray(loaded(IMAGES)), probabilities)


def test_it_is_recorded_without_a_word(
    store: Store, network: Any, new_recorder: NewRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    with new_recorder() as recorder:
        recorder.log_model(network, IMAGES[:1])
    assert capfd.readouterr() == ("", "")


def test_a_model_that_cannot_be_written_is_an_error_that_leaves_nothing(
    store: Store, project: Path, network: Any, new_recorder: NewRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: object, **named: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(network, "save", full)
    error = pytest.raises(TrackingError, match="run named: the model is not recorded: disk full")
    with new_recorder(run_name="named") as recorder, error:
        recorder.log_model(network, IMAGES[:1])
    assert store.client.search_logged_models([store.experiment_id]) == []
    assert store.client.get_run(recorder.run_id).outputs.model_outputs == []
    assert [path.name for path in (project / "outputs" / "1").iterdir()] == ["journal.jsonl"]


def test_a_model_whose_upload_broke_off_is_completed_and_not_doubled(
    store: Store, project: Path, network: Any, new_recorder: NewRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_recorder() as recorder:
        assert recorder.store is not None
        finalize = recorder.store.client.finalize_logged_model
        breaks = [ConnectionError("lost")]

        def break_off_once(*arguments: object) -> object:
            if breaks:
                raise breaks.pop()
            return finalize(*arguments)

        monkeypatch.setattr(recorder.store.client, "finalize_logged_model", break_off_once)
        recorder.log_model(network, IMAGES[:1])
    assert recorder.in_step
    (logged,) = store.client.search_logged_models([store.experiment_id])
    assert str(logged.status) == "READY"
    (output,) = store.client.get_run(recorder.run_id).outputs.model_outputs
    assert output.model_id == logged.model_id


def test_a_server_answers_raw_pixels(run_id: str, project: Path, probabilities: np.ndarray) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["models", "serve", "-m", f"runs:/{run_id}/model", "--env-manager", "local", "-p", str(port)]
    # PATH: mlflow starts uvicorn by its name
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (project / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *arguments],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        answer = post_when_up(f"http://127.0.0.1:{port}", {"inputs": IMAGES.tolist()}, server)
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)
    np.testing.assert_allclose(answer["predictions"], probabilities, rtol=1e-5)


def post_when_up(address: str, body: dict[str, Any], server: subprocess.Popen[bytes]) -> Any:
    request = urllib.request.Request(
        f"{address}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    while server.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except ConnectionError:
            time.sleep(0.2)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError):
                raise
            time.sleep(0.2)
    raise AssertionError("the server ended by itself")


def test_a_run_on_jax_records_its_network_and_says_nothing_but_what_others_say(
    store: Store, project: Path, tiny: tuple[str, ...]
) -> None:
    command = [
        sys.executable,
        "-m",
        "experiments.run",
        *tiny,
        "training.epochs=1",
        "compute=cpu",
        "compute.backend=jax",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    environment.pop("KERAS_BACKEND", None)
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "model1, rmsprop (learning rate 0.0005), 1 epoch, 64 images + 20 for validation, seed 0"
    )
    (run,) = store.client.search_runs([store.experiment_id])
    assert (run.info.status, run.data.params["compute.backend"]) == ("FINISHED", "jax")
    assert len(run.data.tags[HASH_TAG]) == 64
