"""Records a trained network so that MLflow can load and serve it on raw images."""

from __future__ import annotations

import tempfile
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cifar.config import IMAGE_SHAPE, NUM_CLASSES
from experiments.tracking.recorder import NullRecorder, Recorder
from experiments.tracking.service import one_line_errors

if TYPE_CHECKING:
    import numpy as np

NAME = "model"
"""The name of every run's network: `mlflow.keras.load_model("runs:/<run id>/model")`."""


def log_model(recorder: Recorder, model: Any, example_images: np.ndarray) -> str | None:
    """Records a Keras model that takes uint8 images of 0-255 and gives a probability for each class.

    `example_images`, a few of them, are kept with the model and are what MLflow shows as a request. Returns MLflow's
    id of the model (`m-...`), None from a NullRecorder. The model carries the run's params and latest metrics.

    It is served by `mlflow models serve -m runs:/<run id>/model --env-manager local`, which answers a POST of
    `{"inputs": [image, ...]}` to `/invocations`. A model trained on JAX needs KERAS_BACKEND=jax there, unless
    TensorFlow is installed.

    Raises:
        TrackingError: MLflow refuses, or the model cannot be written.
    """
    if isinstance(recorder, NullRecorder):
        return None
    client = recorder.store.client
    with one_line_errors(f"run {recorder.run_name}: the model is not recorded"):
        run = client.get_run(recorder.run_id)
        logged = client.create_logged_model(
            recorder.store.experiment_id, name=NAME, source_run_id=recorder.run_id, params=run.data.params
        )
        try:
            _save_and_upload(client, logged, model, example_images, recorder.run_id)
        except BaseException:
            client.finalize_logged_model(logged.model_id, "FAILED")
            raise
        client.finalize_logged_model(logged.model_id, "READY")
        _link(client, run, logged.model_id)
    model_id: str = logged.model_id
    return model_id


def requirements() -> list[str]:
    """The exact versions that a server of the model needs, for this process' Keras backend."""
    import keras

    backend = {"tensorflow": "tensorflow", "jax": "jax"}[keras.backend.backend()]
    return [f"{name}=={metadata.version(name)}" for name in ("keras", backend, "numpy")]


def _save_and_upload(client: Any, logged: Any, model: Any, example_images: np.ndarray, run_id: str) -> None:
    import mlflow.keras
    from mlflow.models import Model

    description = Model(
        artifact_path=logged.artifact_location, run_id=run_id, model_id=logged.model_id, model_uuid=logged.model_id
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # MLflow warns about its own type hints when it first imports its own serving code
        warnings.filterwarnings("ignore", category=UserWarning, module=r"mlflow\.")
        path = Path(folder, NAME)
        path.mkdir()
        mlflow.keras.save_model(
            model,
            str(path),
            mlflow_model=description,
            signature=_signature(),
            input_example=example_images,
            pip_requirements=requirements(),  # without them MLflow loads the model in a process of its own to guess
        )
        client.log_model_artifacts(logged.model_id, str(path))


def _signature() -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    # without names: with them a request would have to be {"inputs": {"images": [...]}} and reach Keras as a dict
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("uint8"), (-1, *IMAGE_SHAPE))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, NUM_CLASSES))]),
    )


def _link(client: Any, run: Any, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput, Metric

    run_id = run.info.run_id
    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    # the run's own values, with their own times: the database then keeps them once for the run and once for the model
    metrics = [
        Metric(item.key, item.value, item.timestamp, item.step, model_id=model_id, run_id=run_id)
        for item in run.data._metric_objs
        if not item.key.startswith("system/")
    ]
    client.log_batch(run_id, metrics=metrics)
