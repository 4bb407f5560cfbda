"""What a sweep's driver takes for each trial, when many have gone before: python -m benchmarks.driver."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from benchmarks.processes import folder_on_the_same_disk
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
EPOCHS = 15  # the length of the curve that each trial leaves behind


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


def main(before: int = 1000, measured: int = 50) -> int:
    """Print median, least and most for each tuner."""
    for name, typed in SWEEPS.items():
        taken = milliseconds_per_trial(typed, before, measured)
        print(
            f"{name}: {statistics.median(taken):.1f} ms for each trial after {before} "
            f"({min(taken):.1f} to {max(taken):.1f}, n = {len(taken)})",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
