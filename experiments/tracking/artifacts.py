"""Fetches what a run left behind: from the folder of its artifacts where that is here, else from its store."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import RecordedRun
from experiments.tracking.service import TrackingError, one_line_errors
from experiments.tracking.store import SERVED, address, database_path, is_local, reach


def fetch(run: RecordedRun, name: str, config: TrackingConfig, aside: Path) -> Path | None:
    """The file of an artifact; None if the run has none of this name.

    Args:
        run: as it was read.
        name: `predictions/test_predictions.npz`; may not lead out of the run's artifacts.
        config: names the store that the run was read from.
        aside: a folder to download to, where the artifact is not on this machine.

    Raises:
        TrackingError: the store cannot be reached, it does not give the file out, or the name leads elsewhere.
    """
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise TrackingError(f"artifact {name}: leads out of the run's own")
    uri = address(config)
    if (here := folder_of(run.artifact_uri, uri)) is not None:
        file = here / name
        inside = file.resolve().is_relative_to(here.resolve())
        return file if inside and file.is_file() else None
    refuse_what_is_elsewhere(f"run {run.run_id[:8]}", run.artifact_uri, uri)
    client = reach(uri)
    with one_line_errors(f"run {run.run_id}: {name} cannot be fetched"):
        inner = PurePosixPath(name).parent
        there = client.list_artifacts(run.run_id, str(inner) if inner.parts else None)
        if not any(item.path == name for item in there):
            return None
        target = aside / run.run_id
        target.mkdir(parents=True, exist_ok=True)
        return Path(client.download_artifacts(run.run_id, name, str(target)))


def folder_of(location: str, uri: str) -> Path | None:
    """The folder on this machine that a store's location of artifacts means; None if the store is none of this machine.

    Relative ones are meant from the folder of the database.
    """
    folder = _folder(location)
    return database_path(uri).parent / folder if folder is not None and is_local(uri) else None


def refuse_what_is_elsewhere(where: str, location: str, uri: str) -> None:
    """MLflow finds nothing, and says no word, where a server keeps artifacts in a folder and does not give them out.

    Args:
        where: what the error begins with.
        location: of artifacts, as the store has it; the store is none of this machine, or they are (see `folder_of`).
        uri: the store's.

    Raises:
        TrackingError: they cannot be had from here.
    """
    if location.startswith(SERVED) and not uri.startswith("http"):
        raise TrackingError(f"{where}: its files are kept by a server of MLflow's. Ask that: --uri http://HOST:5000")
    folder = _folder(location)
    if folder is not None and not folder.is_dir():
        raise TrackingError(
            f"{where}: its files are in {location} on the server's machine, which does not give them out"
        )


def _folder(location: str) -> Path | None:
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path) if parts.scheme else location)
