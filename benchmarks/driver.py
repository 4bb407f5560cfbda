"""What a sweep's driver takes for each trial, when many have gone before; a part of benchmarks.sweep."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.processes import folder_on_the_same_disk
from benchmarks.report import spread
from experiments.search.driver import drive
from experiments.search.ledger import open_ledger
from experiments.search.records import Limits
from experiments.search.workers import Here, Job, Outcome
from experiments.sweepline import read_line

SWEEPS = {
    "random": ["space=depth", "tuner=random"],
    "grid": ["space=depth", "tuner=grid"],
    "hyperband": ["space=epochs", "tuner=hyperband"],
}
EPOCHS = 15
"""The length of the curve that each trial leaves behind."""
BEFORE = 1000
MEASURED = 50


def measure(before: int = BEFORE, measured: int = MEASURED) -> dict[str, Any]:
    """Milliseconds for each trial under each tuner, as they are kept."""
    taken = {name: milliseconds_per_trial(typed, before, measured) for name, typed in SWEEPS.items()}
    return {
        "trials_before": before,
        "trials_measured": measured,
        "milliseconds": {name: spread(values, 1) for name, values in taken.items()},
    }


def milliseconds_per_trial(typed: list[str], before: int, measured: int) -> list[float]:
    """What the driver takes for each of some trials that take no time themselves, ledger and disk included.

    Args:
        typed: the sweep, as on its command line.
        before: how many trials have gone before.
        measured: how many are measured.
    """
    ended: list[float] = []

    def train(job: Job) -> Outcome:
        ended.append(time.perf_counter())
        score = job.trial.number % 97 / 97
        return Outcome(score, (score,) * EPOCHS)

    line = read_line(typed)
    with folder_on_the_same_disk() as folder, open_ledger(Path(folder) / "sweep") as ledger:
        ledger.begin(line.sweep("driver", {}), Limits(before + measured + 1))
        drive(ledger, Here(train))
    return [1000 * (later - sooner) for sooner, later in zip(ended[before:], ended[before + 1 :], strict=False)]
