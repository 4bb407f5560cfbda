"""A trained network so that MLflow can load and serve it on raw images: made here once, then brought to stores."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cifar.compute import without_native_greetings
from cifar.config import IMAGE_SHAPE, NUM_CLASSES
from experiments.tracking.bounds import files_of
from experiments.tracking.facts import Measurement, ModelFacts
from experiments.tracking.journal import sync_to_disk
from experiments.tracking.store import Store

if TYPE_CHECKING:
    import numpy as np

NAME = "model"
"""The name of every run's network: `mlflow.keras.load_model("runs:/<run id>/model")`."""

MODEL_FILE = "data/model.keras"
"""Where MLflow puts the network in the folder of a model."""

HASH_TAG = "model.sha256"
"""The tag of a run that holds the SHA-256 of its network's file, in hexadecimal."""

MODEL_TAG = "journal.model"


def save_model(folder: Path, model: Any, example_images: np.ndarray) -> str:
    """Writes a Keras model that takes uint8 images of 0-255 and gives a probability for each class.

    `example_images`, a few of them, are kept with the model and are what MLflow shows as a request. `folder` is
    there afterwards as a whole, or not at all. Returns the SHA-256 of the network's file.

    It is served by `mlflow models serve -m runs:/<run id>/model --env-manager local`, which answers a POST of
    `{"inputs": [image, ...]}` to `/invocations`. A model trained on JAX needs KERAS_BACKEND=jax there, unless
    TensorFlow is installed.
    """
    import mlflow.keras

    from cifar.archives import file_sha256

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished, warnings.catch_warnings():
        # MLflow warns about its own type hints when it first imports its own serving code
        warnings.filterwarnings("ignore", category=UserWarning, module=r"mlflow\.")
        path = Path(unfinished, NAME)
        path.mkdir()
        # Keras imports TensorFlow to save a network, also one that JAX trained, and that would greet
        with _installed_as_required(), without_native_greetings():
            mlflow.keras.save_model(
                model,
                str(path),
                signature=_signature(),
                input_example=example_images,
                pip_requirements=requirements(),  # without them MLflow loads the model in a process of its own to guess
            )
        for file in path.rglob("*"):
            sync_to_disk(file)
        shutil.rmtree(folder, ignore_errors=True)
        path.rename(folder)
        sync_to_disk(folder.parent)
    return file_sha256(folder / MODEL_FILE)


@contextmanager
def _installed_as_required() -> Iterator[None]:
    """Has MLflow not read all that is installed, for over a second, to see that what is required is: it is, exactly."""
    from mlflow.utils import environment

    check = environment.warn_dependency_requirement_mismatches
    environment.warn_dependency_requirement_mismatches = lambda requirements: None
    try:
        yield
    finally:
        environment.warn_dependency_requirement_mismatches = check


def requirements() -> list[str]:
    """The exact versions that a server of the model needs, for this process' Keras backend."""
    import keras

    backend = {"tensorflow": "tensorflow", "jax": "jax"}[keras.backend.backend()]
    return [f"{name}=={metadata.version(name)}" for name in ("keras", backend, "numpy")]


def bring_model(store: Store, run: Any, model: ModelFacts, identity: str, on_step: Callable[[int], None]) -> bool:
    """Gives MLflow's run this model, unless it has it; returns whether something was written.

    The model carries the run's params and latest metrics, if `model` has none of its own.

    Raises:
        MlflowException and others: see `one_line_errors`.
    """
    client, key = store.client, f"{identity}:{model.key}"
    run = client.get_run(run.info.run_id)  # as it is now
    logged = _find(store, run, key)
    if logged is None:
        logged = client.create_logged_model(
            run.info.experiment_id,
            name=model.name,
            source_run_id=run.info.run_id,
            tags={**model.tags, MODEL_TAG: key},
            params=dict(run.data.params if model.params is None else model.params),
            model_type=model.model_type,
        )
    ready = str(logged.status) == "READY"
    if not ready:
        _upload(client, logged, run, model, on_step)
        client.finalize_logged_model(logged.model_id, "READY")
    linked = _link(client, run, logged, model)
    return linked or not ready


def _find(store: Store, run: Any, key: str) -> Any:
    """The model that an earlier attempt made, wholly or in part."""
    models = store.client.search_logged_models(
        [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'", max_results=1000
    )
    ours = [model for model in models if model.tags.get(MODEL_TAG) == key]
    return min(ours, key=lambda model: (str(model.status) != "READY", model.model_id), default=None)


def _upload(client: Any, logged: Any, run: Any, model: ModelFacts, on_step: Callable[[int], None]) -> None:
    """Sends the files, with a description that names the run and the model as this store knows them."""
    from mlflow.models import Model

    files = files_of(model.folder)  # before any is read: links could lead anywhere
    description = Model.load(str(model.folder))
    description.artifact_path = logged.artifact_location
    description.run_id = run.info.run_id
    description.model_id = description.model_uuid = logged.model_id
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, NAME)
        for name, file in files.items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy / name)
        description.save(str(copy / "MLmodel"))
        on_step(sum(file.stat().st_size for file in copy.rglob("*") if file.is_file()))
        client.log_model_artifacts(logged.model_id, str(copy))


def _link(client: Any, run: Any, logged: Any, model: ModelFacts) -> bool:
    """Shows the model with the run and its metrics with the model, unless they are shown."""
    from mlflow.entities import LoggedModelOutput

    run_id = run.info.run_id
    linked = logged.model_id in {output.model_id for output in (run.outputs.model_outputs if run.outputs else [])}
    if not linked:
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=model.step)])
    metrics = _metrics(client, run, logged, model)
    for start in range(0, len(metrics), 800):
        client.log_batch(run_id, metrics=metrics[start : start + 800])
    return not linked or bool(metrics)


def _metrics(client: Any, run: Any, logged: Any, model: ModelFacts) -> list[Any]:
    from mlflow.entities import Metric

    if model.metrics is None:
        # the run's own values, with their own times: the database then keeps them once for the run and once for the
        # model
        told: list[tuple[Measurement, str | None, str | None]] = [
            (Measurement(item.key, item.value, item.timestamp, item.step), None, None)
            for item in _latest(client, run, model.step)
            if not item.key.startswith("system/")
        ]
    else:
        told = [*model.metrics]
    there = {(item.key, item.step, item.timestamp) for item in logged.metrics or ()}
    return [
        Metric(name, float("nan") if value is None else value, at, step, logged.model_id, data, digest, run.info.run_id)
        for (name, value, at, step), data, digest in told
        if (name, step, at) not in there
    ]


def _latest(client: Any, run: Any, step: int) -> list[Any]:
    """The run's metrics as they were at this step; at step 0, as they are."""
    found = []
    for item in run.data._metric_objs:
        if step and item.step > step:  # the run was extended meanwhile
            history = client.get_metric_history(run.info.run_id, item.key)
            earlier = [value for value in history if value.step <= step]
            found += [max(earlier, key=lambda value: (value.step, value.timestamp))] if earlier else []
        else:
            found.append(item)
    return found


def _signature() -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    # without names: with them a request would have to be {"inputs": {"images": [...]}} and reach Keras as a dict
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("uint8"), (-1, *IMAGE_SHAPE))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, NUM_CLASSES))]),
    )
