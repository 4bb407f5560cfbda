"""The sweep that a person names: by its folder, or by its run in MLflow."""

from __future__ import annotations

from pathlib import Path

from experiments.search.ledger import LEDGER_FILE
from experiments.search.records import SweepError
from experiments.tracking.config import TrackingConfig
from experiments.tracking.finding import find, is_folder


def folder_of(named: str, tracking: TrackingConfig) -> Path:
    """The folder of a sweep, named as it is or by the id, the beginning of it, or the name of its run in MLflow.

    Raises:
        SweepError: there is no sweep of that name here.
        TrackingError: there is no such run, or several; or the store cannot be used.
    """
    if is_folder(named):
        folder: Path | None = Path(named)
    else:
        found = find(named, tracking)
        folder = found.folder
        if folder is None:
            where = f"its folder, {found.place}," if found.place else "its folder"
            raise SweepError(f"resume={named}: {where} is not here; bring it here and name it: resume=FOLDER")
    assert folder is not None
    if not (folder / LEDGER_FILE).is_file():
        raise SweepError(f"resume={named}: {folder} is no sweep's (it has no {LEDGER_FILE})")
    return folder
