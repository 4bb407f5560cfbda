"""For each network the best run whose answers to the test images were kept: which classes it tells apart."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cifar.config import CLASS_NAMES
from cifar.evaluation import Evaluation
from experiments.results.boards import Board
from experiments.tracking.artifacts import fetch
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import RecordedRun
from experiments.tracking.service import TrackingError

PREDICTIONS = "predictions/test_predictions.npz"
MOST_TRIES = 20
"""Runs of one network that are asked for predictions, the best first; most keep them, and of a server each asks."""


@dataclass(frozen=True)
class ClassScore:
    """One class: `n` images, the share of them that was recognised, and of those called so the share that was right."""

    name: str
    n: int
    recall: float
    precision: float
    taken_for: str


@dataclass(frozen=True)
class Seen:
    """A run and what its network answered."""

    run: RecordedRun
    answers: Evaluation

    @property
    def scores(self) -> list[ClassScore]:
        """The ten classes, the worst recognised first."""
        return sorted(_scores(self.answers), key=lambda score: score.recall)


@dataclass(frozen=True)
class Classes:
    """What networks answered, a run for each, and why that of others, if it was kept, cannot be had."""

    seen: Sequence[Seen] = ()
    missing: str = ""


def best_seen(boards: Iterable[Board], config: TrackingConfig) -> Classes:
    """One run for each network of the first board, chosen by validation (of the document's kind: the newest)."""
    board = next(iter(boards), None)
    if board is None:
        return Classes()
    runs: dict[str, list[RecordedRun]] = {}
    for group in board.groups:
        runs.setdefault(group.model, []).extend(group.runs)
    with tempfile.TemporaryDirectory() as aside:
        found = [_first_with_answers(sorted(runs[model], key=_best), config, Path(aside)) for model in sorted(runs)]
    missing = [answer for answer in found if isinstance(answer, str) and answer]
    return Classes([answer for answer in found if isinstance(answer, Seen)], "; ".join(dict.fromkeys(missing)))


def _best(run: RecordedRun) -> tuple[float, int]:
    score = run.kept_validation
    return -score if math.isfinite(score) else 0, -run.began


def _first_with_answers(runs: list[RecordedRun], config: TrackingConfig, aside: Path) -> Seen | str:
    """The first run whose answers can be had, or else why those of the first that kept some cannot; empty: none did."""
    from cifar.evaluation import load_predictions

    reasons = []
    for run in runs[:MOST_TRIES]:
        try:
            if (file := fetch(run, PREDICTIONS, config, aside)) is not None:
                return Seen(run, load_predictions(file))
        except (TrackingError, OSError, ValueError) as error:  # the next one may be whole
            reasons.append(str(error))
    return next(iter(reasons), "")


def _scores(answers: Evaluation) -> Iterator[ClassScore]:
    counts = answers.confusion
    for number, name in enumerate(CLASS_NAMES):
        n, right, called = int(counts[number].sum()), int(counts[number, number]), int(counts[:, number].sum())
        if n == 0:
            continue
        wrong = counts[number].copy()
        wrong[number] = 0
        other = int(wrong.argmax())
        taken_for = f"{CLASS_NAMES[other]} ({int(wrong[other]):,})" if wrong[other] else ""
        yield ClassScore(name, n, right / n, right / called if called else math.nan, taken_for)
