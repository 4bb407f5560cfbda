"""Where the trials of a sweep happen: a folder for each, and what is left there for others to find."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.search.records import Trial
from experiments.search.workers import Outcome
from experiments.tracking.config import TrackingConfig
from experiments.tracking.facts import REFERENCE
from experiments.tracking.journal import JOURNAL_FILE, is_being_written, read_journal

TRIALS, FINALS = "trials", "finals"
"""The folders, in the sweep's, of its trials and of the trainings that it ends with."""

OUTCOME_FILE = "outcome.json"

PAUSE = 0.2
"""Seconds between two looks at a trial that another process still trains."""


@dataclass(frozen=True)
class Site:
    """Where the trials of a sweep happen.

    Attributes:
        sweep: its folder, absolute.
        name: the sweep's.
        home: the working folder, which a relative address of a store is meant from.
        tracking: where to record; its parent is the sweep's run.
        command: what was typed to begin, or go on with, the sweep.
        keep_checkpoints: whether a later trial may go on from one that has ended.
    """

    sweep: Path
    name: str
    home: Path
    tracking: TrackingConfig
    command: tuple[str, ...] = ()
    keep_checkpoints: bool = False

    def folder(self, number: int, final: bool = False) -> Path:
        """Where a trial, or a final training, writes."""
        return self.sweep / (FINALS if final else TRIALS) / f"{number:04}"

    def folder_of(self, trial: Trial) -> Path:
        """The same, of this one."""
        return self.folder(trial.number, bool(trial.of))


def read_outcome(folder: Path) -> Outcome | None:
    """What came of the trial in this folder; None: nothing yet."""
    try:
        told = json.loads((folder / OUTCOME_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Outcome(**{**told, "curve": tuple(told["curve"])})


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Leave what came of a trial in its folder, whole."""
    unfinished = folder / f"{OUTCOME_FILE}.part"
    unfinished.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    unfinished.replace(folder / OUTCOME_FILE)


def wait_for_predecessor(folder: Path) -> None:
    """A driver that was killed can leave a worker that still trains this very trial; what it does is not done twice."""
    while (folder / JOURNAL_FILE).is_file() and is_being_written(folder / JOURNAL_FILE):
        time.sleep(PAUSE)


def reference_in(folder: Path) -> str | None:
    """What the recorder knows an earlier attempt by; None: there was none."""
    entries = read_journal(folder / JOURNAL_FILE)
    return REFERENCE + str(entries[0].facts["id"]) if entries else None
