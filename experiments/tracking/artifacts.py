"""Fetches what a run left behind: from the folder of its artifacts where that is here, else from its store."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import RecordedRun
from experiments.tracking.service import TrackingError, import_mlflow, one_line_errors
from experiments.tracking.store import address, database_path, is_local


def fetch(run: RecordedRun, name: str, config: TrackingConfig, aside: Path) -> Path | None:
    """The file of an artifact; None if the run has none of this name.

    Args:
        run: as it was read.
        name: `predictions/test_predictions.npz`; may not lead out of the run's artifacts.
        config: names the store that the run was read from.
        aside: a folder to download to, where the artifact is not on this machine.

    Raises:
        TrackingError: the store cannot be reached, or the name leads elsewhere.
    """
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise TrackingError(f"artifact {name}: leads out of the run's own")
    uri = address(config)
    if (here := folder_of(run, uri)) is not None:
        file = here / name
        inside = file.resolve().is_relative_to(here.resolve())
        return file if inside and file.is_file() else None
    mlflow = import_mlflow()
    client = mlflow.MlflowClient(uri, uri)
    with one_line_errors(f"run {run.run_id}: {name} cannot be fetched"):
        inner = PurePosixPath(name).parent
        there = client.list_artifacts(run.run_id, str(inner) if inner.parts else None)
        if not any(item.path == name for item in there):
            return None
        target = aside / run.run_id
        target.mkdir(parents=True, exist_ok=True)
        return Path(client.download_artifacts(run.run_id, name, str(target)))


def folder_of(run: RecordedRun, uri: str) -> Path | None:
    """The folder of a run's artifacts on this machine; None if a server, or a service, keeps them."""
    parts = urlsplit(run.artifact_uri)
    if parts.scheme not in ("", "file") or not is_local(uri):
        return None
    path = Path(unquote(parts.path) if parts.scheme else run.artifact_uri)
    return path if path.is_absolute() else database_path(uri).parent / path
