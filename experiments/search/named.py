"""The sweep that a person names: by its folder, or by its run in MLflow."""

from __future__ import annotations

from pathlib import Path

from experiments.search.ledger import LEDGER_FILE
from experiments.search.records import SweepError
from experiments.tracking.config import TrackingConfig
from experiments.tracking.finding import find, is_folder
from experiments.tracking.reading import read_runs
from experiments.tracking.words import WORDS


def sweep_of(folder: Path) -> Path | None:
    """The folder of the sweep that a run's folder is of, or is itself; None of another run."""
    here = folder.absolute()
    return next((place for place in (here, here.parent.parent) if (place / LEDGER_FILE).is_file()), None)


def folder_of(named: str, tracking: TrackingConfig) -> Path:
    """The folder of a sweep, named as it is or by the id, the beginning of it, or the name of its run in MLflow.

    `latest` is the sweep that began last.

    Raises:
        SweepError: there is no sweep of that name here.
        TrackingError: there is no such run, or several; or the store cannot be used.
    """
    if named == "latest":
        named = _latest(tracking)
    elif named in WORDS:
        raise SweepError(f"resume={named}: means a run; expected a sweep's folder, id or name, or latest")
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


def _latest(tracking: TrackingConfig) -> str:
    """MLflow's id of the newest sweep."""
    sweeps = [run for run in read_runs(tracking) if "sweep.space" in run.params]
    if not sweeps:
        raise SweepError("resume=latest: there is no sweep yet. Begin one: python -m experiments.sweep")
    return sweeps[0].run_id
