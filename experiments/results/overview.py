"""All that a report says of a store, before anybody decides how it looks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.results.beside import Row, beside_the_document
from experiments.results.boards import Board, boards
from experiments.results.sorting import Heaps, SweepRuns, sort
from experiments.results.sweep_summary import SweepSummary, summarize_sweep
from experiments.tracking.artifacts import fetch
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import RecordedRun
from experiments.tracking.service import TrackingError

VERDICT = "verdict.json"
PICTURES = ("best_so_far", "score_by_setting", "parallel_coordinates")
LARGEST = 4_000_000
"""Bytes of a picture; larger ones are left out, since they go into the page."""
MOST_SWEEPS = 20
"""The newest whose verdict and pictures are fetched; of a server each is some requests."""


@dataclass(frozen=True)
class Overview:
    """What was read, in its heaps, and what follows from it."""

    runs: int
    heaps: Heaps
    boards: tuple[Board, ...]
    document: tuple[Row, ...]
    sweeps: tuple[SweepSummary, ...]


def look_at(
    runs: Iterable[RecordedRun], config: TrackingConfig, everything: bool = False, pictures: bool = False
) -> Overview:
    """Sort, group and rank runs, and fetch what sweeps kept.

    Args:
        runs: as they were read from the store.
        config: names that store.
        everything: rank the trials of sweeps as well.
        pictures: fetch those of the sweeps.
    """
    runs = list(runs)
    heaps = sort(runs)
    found = tuple(boards([*heaps.trainings, *(heaps.trials if everything else ())]))
    with tempfile.TemporaryDirectory() as aside:
        sweeps = tuple(
            _summary(sweep, config if number < MOST_SWEEPS else None, Path(aside), pictures)
            for number, sweep in enumerate(heaps.sweeps)
        )
    return Overview(len(runs), heaps, found, tuple(beside_the_document(found)), sweeps)


def _summary(sweep: SweepRuns, config: TrackingConfig | None, aside: Path, pictures: bool) -> SweepSummary:
    if sweep.run is None:
        return summarize_sweep(sweep)
    if config is None:
        return summarize_sweep(sweep, missing=f"only those of the newest {MOST_SWEEPS} sweeps are fetched")
    drawn, missing = dict[str, bytes](), list[str]()
    for name in (VERDICT, *(f"figures/{name}.png" for name in PICTURES if pictures)):
        try:
            if (content := _content(sweep.run, name, config, aside)) is not None:
                drawn[name] = content
        except (TrackingError, OSError) as error:  # a report says what it can
            missing.append(str(error))
    verdict = _json(drawn.pop(VERDICT, None))
    named = {Path(name).stem.replace("_", " "): content for name, content in drawn.items()}
    return summarize_sweep(sweep, verdict, named, "; ".join(dict.fromkeys(missing)))


def _content(run: RecordedRun, name: str, config: TrackingConfig, aside: Path) -> bytes | None:
    """An artifact; None where there is none.

    Raises:
        TrackingError, OSError: it cannot be had, or is too large for a page.
    """
    file = fetch(run, name, config, aside)
    if file is not None and file.stat().st_size > LARGEST:
        raise TrackingError(f"{name} has more than {LARGEST:,} bytes")
    return None if file is None else file.read_bytes()


def _json(content: bytes | None) -> Mapping[str, Any] | None:
    try:
        found = json.loads(content or b"null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
