"""Reads back the network that a run recorded, and nothing that is more than a network."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from cifar.model_files import LARGEST, load_model_file
from experiments.tracking.artifacts import folder_of, refuse_what_is_elsewhere
from experiments.tracking.model import HASH_TAG, MODEL_FILE, NAME
from experiments.tracking.service import TrackingError, one_line_errors
from experiments.tracking.store import Store


def load_recorded_model(store: Store, run_id: str) -> Any:
    """The Keras model that a run recorded last: takes uint8 images, gives probabilities; not compiled.

    Nothing but a `.keras` file is read, and only if it is byte for byte the one whose SHA-256 the run's tags hold:
    whoever can write to the store of artifacts, but not to the database, cannot slip in another.

    Raises:
        TrackingError: there is no such run, it has no network, or the network cannot be fetched.
        DataError: the file is not the one that was recorded, or more than a network.
    """
    where = f"run {run_id}: model"
    with one_line_errors(where):
        run = store.client.get_run(run_id)
        outputs = sorted(run.outputs.model_outputs, key=lambda output: output.step)
        logged = [store.client.get_logged_model(output.model_id) for output in outputs]
    models = [item for item in logged if item.name == NAME]
    if not models:
        raise TrackingError(f"{where}: none was recorded (tracking.log_model=false, or it did not end)")
    if HASH_TAG not in run.data.tags:
        raise TrackingError(f"{where}: the run has no tag {HASH_TAG} to check the file by, so it is not loaded")
    with tempfile.TemporaryDirectory() as folder:
        path = _download(store, models[-1].artifact_location, Path(folder), where)
        return load_model_file(path, run.data.tags[HASH_TAG], where)


def _download(store: Store, location: str, folder: Path, where: str) -> Path:
    import mlflow.artifacts

    file = Path(MODEL_FILE)
    if (here := folder_of(location, store.uri)) is not None:
        location = str(here)
    else:
        refuse_what_is_elsewhere(where, location, store.uri)
    with one_line_errors(f"{where} cannot be fetched"):
        place = f"{location}/{file.parent}"
        files = mlflow.artifacts.list_artifacts(artifact_uri=place, tracking_uri=store.uri)
        found = {Path(item.path).name: item.file_size for item in files}
        if file.name not in found:
            names = ", ".join(sorted(found)) or "nothing"
            raise TrackingError(f"{where}: recorded as {names}; only {file.name} is loaded")
        if (found[file.name] or 0) > LARGEST:
            raise TrackingError(f"{where}: {found[file.name]} bytes; at most {LARGEST} are fetched")
        return Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=f"{location}/{file}", dst_path=str(folder), tracking_uri=store.uri
            )
        )
