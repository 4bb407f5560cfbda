"""One command on the real CIFAR-10, as a user types it; then everything that it should have recorded, through MLflow.

The command runs once for all tests here. Afterwards its folder is moved: whatever is read is read at the new place.
"""

from __future__ import annotations

import base64
import io
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import yaml
from PIL import Image

from cifar.cache import cache_root
from cifar.config import CLASS_NAMES, RunConfig, TrainingConfig
from cifar.data import Dataset, load_dataset
from cifar.fields import flatten

ROOT = Path(__file__).resolve().parents[1]
CONFIG = RunConfig(training=TrainingConfig(epochs=1))
CANARY = "canary-1f9d27"
NOTE = f"tracking.note='data from https://me:{CANARY}@example.org/'"
SECRETS = ("MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN")

# Python runs a module of this name when it starts: every process of the command writes down whom it talks to.
WATCH = """
import os, sys

def watch(event, details):
    if event not in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        return
    address = details[0] if event == "socket.getaddrinfo" else details[1]
    host = address[0] if isinstance(address, tuple) else address
    with open(os.environ["TALKED_TO"], "a") as file:
        print(event, host, file=file)

sys.addaudithook(watch)
watch("socket.getaddrinfo", ["localhost: the watch has begun"])
"""
OURSELVES = ("127.", "::1", "localhost", "None", "/")
"""How the addresses of this machine begin; a path is a socket of its own."""


@dataclass(frozen=True)
class Trained:
    """What the command left: its output, its folder at the new place, the run."""

    folder: Path
    output: str
    talked_to: list[str]
    client: mlflow.MlflowClient
    run: Any

    @property
    def run_id(self) -> str:
        run_id: str = self.run.info.run_id
        return run_id

    def artifact(self, name: str) -> bytes:
        """An artifact's content, fetched as MLflow fetches it."""
        return Path(self.client.download_artifacts(self.run_id, name)).read_bytes()


def start(folder: Path, watch: Path) -> str:
    """The command, with a home of its own but the user's ordinary cache of data; returns what it printed."""
    (watch / "sitecustomize.py").write_text(WATCH)
    (watch / "talked_to").touch()
    unset = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID", "KERAS_BACKEND")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= dict.fromkeys(SECRETS, CANARY)
    environment |= {
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(cache_root(None).parent),
        "PYTHONPATH": f"{watch}{os.pathsep}{ROOT}",
        "TALKED_TO": str(watch / "talked_to"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "experiments.run", "training.epochs=1", "compute=cpu", NOTE],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        umask=0,  # what has to be private must not need the user's help
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset, tensorflow_on_cpu: None) -> Iterator[Trained]:
    old, new = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("moved") / "elsewhere"
    watch = tmp_path_factory.mktemp("watch")
    (old / "home").mkdir()
    output = start(old, watch)
    talked_to = (watch / "talked_to").read_text().splitlines()
    old.rename(new)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(new)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new}/mlflow.db")
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name("cifar10")
        (run,) = client.search_runs([experiment.experiment_id])
        yield Trained(new, output, talked_to, client, run)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(CONFIG.data)


def test_it_tells_a_person_what_happened(trained: Trained) -> None:
    lines = trained.output.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("model1, rmsprop"))
    headline, epoch, verdict, where, how = lines[begin:]
    assert "1 epoch, 45,000 images + 5,000 for validation, seed 0, tensorflow on " in headline
    assert epoch.startswith("epoch 1/1  loss 1.")
    assert verdict.startswith(f"test accuracy {trained.run.data.metrics['test_accuracy']:.2%}, test loss ")
    assert "(the document's model1: 63.05%, 1.0841)" in verdict
    assert f"run {trained.run_id}" in where
    page = f"http://127.0.0.1:5000/#/experiments/1/runs/{trained.run_id}?workflowType=machine_learning"
    assert re.fullmatch(
        rf"to look at it: (mlflow ui|{sys.executable} -m experiments\.ui), then open {re.escape(page)}", how
    )


def test_it_is_finished_under_a_telling_name(trained: Trained) -> None:
    assert trained.run.info.status == "FINISHED"
    assert trained.run.info.run_name == "model1-rmsprop-seed0"
    assert not trained.run.info.artifact_uri.startswith(("/", "file:"))


def test_each_value_of_the_configuration_is_a_param(trained: Trained) -> None:
    words = {None: "null", True: "true", False: "false"}
    recording = {
        "tracking.enabled": True,
        "tracking.uri": None,
        "tracking.experiment": "cifar10",
        "tracking.run_name": None,
        "tracking.note": "data from https://***@example.org/",
        "tracking.log_model": True,
        "tracking.parent_run_id": None,
    }
    expected = flatten(CONFIG) | {"compute.device": "cpu"} | recording
    spelled = {k: words[v] if v is None or isinstance(v, bool) else str(v) for k, v in expected.items()}
    assert trained.run.data.params == spelled


def test_each_metric_of_the_epoch_is_at_step_1(trained: Trained) -> None:
    bounds = {
        "loss": (1.0, 2.2),
        "accuracy": (0.2, 0.6),
        "val_loss": (0.9, 2.0),
        "val_accuracy": (0.35, 0.65),
        "learning_rate": (5e-4, 5e-4),
        "seconds": (0.5, 600),
        "images_per_second": (75, 1e6),
    }
    for name, (low, high) in bounds.items():
        (item,) = trained.client.get_metric_history(trained.run_id, name)
        assert item.step == 1, name
        assert low <= item.value <= high, name


def test_final_metrics_are_plausible_and_the_network_learned(trained: Trained) -> None:
    metrics = trained.run.data.metrics
    assert metrics["test_accuracy"] > 0.35
    assert metrics["test_accuracy"] == pytest.approx(metrics["val_accuracy"], abs=0.05)
    assert 0.9 < metrics["test_loss"] < 2.0
    assert (metrics["epochs_run"], metrics["best_epoch"], metrics["parameters"]) == (1, 1, 181_162)
    assert metrics["best_val_accuracy"] == metrics["val_accuracy"]
    assert metrics["training_seconds"] >= metrics["seconds"]


def test_the_machine_was_watched(trained: Trained) -> None:
    metrics = trained.run.data.metrics
    assert 0 < metrics["system/cpu_utilization_percentage"] <= 100
    assert 0 < metrics["system/system_memory_usage_percentage"] <= 100
    assert metrics["system/system_memory_usage_megabytes"] > 100


def test_the_data_are_inputs_with_a_digest(trained: Trained, dataset: Dataset) -> None:
    inputs = {item.tags[0].value: item.dataset for item in trained.run.inputs.dataset_inputs}
    images = {"train": 45_000, "validation": 5_000, "test": 10_000}
    assert inputs.keys() == images.keys()
    for context, item in inputs.items():
        assert item.name == f"cifar10-{context}"
        assert item.digest == dataset.digest[:36]
        assert json.loads(item.profile)["features_shape"] == [images[context], 32, 32, 3]


def test_tags_say_what_made_it(trained: Trained) -> None:
    tags = trained.run.data.tags
    assert tags["host"] == platform.node()
    assert tags["device"].startswith("cpu: ")
    assert tags["command"].startswith("python")
    assert " -m experiments.run training.epochs=1 compute=cpu " in tags["command"]
    assert tags["version.tensorflow"] == metadata.version("tensorflow")
    assert tags["version.keras"] == metadata.version("keras")
    assert tags["stop_reason"] == "all epochs done"
    assert tags["data.source"]
    git = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if git.returncode == 0:  # an unpacked archive has no commit
        assert len(tags["mlflow.source.git.commit"]) == 40
        assert tags["git.dirty"] in ("true", "false")


def test_the_configuration_is_an_artifact_that_gives_the_same_run(trained: Trained) -> None:
    recorded = yaml.safe_load(trained.artifact("config.yaml"))
    assert recorded.pop("tracking")["experiment"] is None, "as it was composed"
    assert trained.run.data.params["tracking.experiment"] == "cifar10", "what became of it"
    flat = {
        f"{node}.{key}": value for node, values in recorded.items() if node != "seed" for key, value in values.items()
    }
    assert flat | {"seed": recorded["seed"]} == flatten(CONFIG) | {"compute.device": "cpu"}


def test_packages_layers_and_log_are_artifacts(trained: Trained) -> None:
    assert (
        f"tensorflow=={metadata.version('tensorflow')}" in trained.artifact("environment/packages.txt").decode().split()
    )
    assert trained.artifact("layers.txt").decode().splitlines()[-1].split() == ["total", "181,162"]
    log = trained.artifact("console.log").decode()
    assert next(line for line in trained.output.splitlines() if line.startswith("epoch 1/1")) in log


@pytest.mark.parametrize("name", ["learning_curves", "confusion_matrix", "per_class_accuracy", "confident_mistakes"])
def test_figures_are_pictures_of_a_sensible_size(trained: Trained, name: str) -> None:
    with Image.open(io.BytesIO(trained.artifact(f"figures/{name}.png"))) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert 400 <= picture.width <= 3000
        assert 300 <= picture.height <= 3000
        assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 10, "there is something to see"


def test_predictions_are_those_that_the_accuracy_counts(trained: Trained, dataset: Dataset) -> None:
    with np.load(io.BytesIO(trained.artifact("predictions/test_predictions.npz")), allow_pickle=False) as stored:
        probabilities, labels, predictions = stored["probabilities"], stored["labels"], stored["predictions"]
    assert (probabilities.shape, probabilities.dtype) == ((10_000, 10), np.float32)
    np.testing.assert_array_equal(labels, dataset.test.labels)
    np.testing.assert_array_equal(predictions, probabilities.argmax(axis=1))
    assert float((predictions == labels).mean()) == trained.run.data.metrics["test_accuracy"]
    per_class = json.loads(trained.artifact("per_class_accuracy.json"))
    assert list(per_class) == list(CLASS_NAMES)
    assert np.mean(list(per_class.values())) == pytest.approx(trained.run.data.metrics["test_accuracy"])


def test_the_model_takes_raw_images_and_answers_as_it_did(trained: Trained, dataset: Dataset) -> None:
    model = mlflow.keras.load_model(f"runs:/{trained.run_id}/model")
    with np.load(io.BytesIO(trained.artifact("predictions/test_predictions.npz")), allow_pickle=False) as stored:
        expected = stored["probabilities"][:64]
    images = dataset.test.images[:64]
    assert images.dtype == np.uint8
    np.testing.assert_allclose(np.asarray(model(images)), expected, atol=1e-5)


def test_the_model_says_what_it_takes_and_needs(trained: Trained) -> None:
    info = mlflow.models.get_model_info(f"runs:/{trained.run_id}/model")
    (takes,), (gives,) = info.signature.inputs.inputs, info.signature.outputs.inputs
    assert (takes.type, takes.shape) == (np.dtype("uint8"), (-1, 32, 32, 3))
    assert (gives.type, gives.shape) == (np.dtype("float32"), (-1, 10))
    assert info.saved_input_example_info is not None
    folder = Path(mlflow.artifacts.download_artifacts(f"runs:/{trained.run_id}/model"))
    needs = (folder / "requirements.txt").read_text().split()
    assert f"tensorflow=={metadata.version('tensorflow')}" in needs


def test_no_secret_is_in_any_file_or_output(trained: Trained) -> None:
    hidden = [CANARY.encode(), base64.b64encode(CANARY.encode()).rstrip(b"=")[:-1]]
    files = [file for file in trained.folder.rglob("*") if file.is_file()]
    assert {"mlflow.db", "console.log", "overrides.yaml", "config.yaml"} <= {file.name for file in files}
    assert [file for file in files if any(secret in file.read_bytes() for secret in hidden)] == []
    assert CANARY not in trained.output
    assert "data from https://***@example.org/" in trained.run.data.tags["mlflow.note.content"]


def test_nothing_left_the_machine(trained: Trained) -> None:
    hosts = {line.split(" ", 1)[1] for line in trained.talked_to}
    assert "localhost: the watch has begun" in hosts
    assert {host for host in hosts if not host.startswith(OURSELVES)} == set()


def test_the_database_is_for_its_owner_only(trained: Trained) -> None:
    database = list(trained.folder.glob("mlflow.db*"))
    assert {"mlflow.db", "mlflow.db.lock"} <= {path.name for path in database}
    assert [path for path in database if path.stat().st_mode & 0o077] == []


def test_the_data_stay_in_the_users_cache(trained: Trained) -> None:
    assert {path.name for path in trained.folder.iterdir()} - {"mlflow.db-wal", "mlflow.db-shm"} == {
        "home", "mlflow.db", "mlflow.db.lock", "mlruns", "outputs",
    }  # fmt: skip
