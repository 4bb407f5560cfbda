"""Files of a run, kept in its folder before any store is told of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath

from experiments.tracking.journal import sync_to_disk
from experiments.tracking.service import TrackingError, one_line_errors

ARTIFACTS = "artifacts"
"""The folder of them in the run's."""

CHECKPOINTS = "checkpoints"
"""The folder, in the run's, of what its training can go on from."""


def keep(folder: Path, name: str, write: Callable[[Path], object]) -> str:
    """Has `write` make the file that stores will show as `name`; it is there as a whole, or not at all.

    Returns:
        Where it is, relative to the run's folder.

    Raises:
        TrackingError: the name leads out of the run, or the disk does not take the file.
    """
    _check(name)
    path = folder / ARTIFACTS / name
    unfinished = path.with_name(f".part.{path.name}")  # at the front: the ending tells Matplotlib the format
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(unfinished)
        sync_to_disk(unfinished)
        unfinished.replace(path)
        sync_to_disk(path.parent)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        named = error.filename if error.filename and str(error.filename) != str(unfinished) else path
        raise TrackingError(f"{named}: cannot be kept with the run ({error.strerror or error})") from None
    return str(path.relative_to(folder))


def copies_of(source: Path, folder: str) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """A file, or all that are in a folder: under which name each goes to `folder` of a store, and how it is copied."""
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    for file in files:
        inner = file.relative_to(source) if source.is_dir() else Path(file.name)
        yield str(PurePosixPath(folder, *inner.parts)), partial(shutil.copyfile, file)


def _check(name: str) -> None:
    from mlflow.store.artifact.artifact_repo import verify_artifact_path
    from mlflow.utils.uri import validate_path_is_safe

    with one_line_errors("the artifact cannot be kept"):
        verify_artifact_path(name)
        validate_path_is_safe(name)
