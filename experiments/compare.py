"""What differs between two runs, and is one really better? python -m experiments.compare A B"""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import argparse
import json
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from cifar.fields import printable
from experiments.frame import answer, new_parser
from experiments.results.comparison import EPOCH_METRICS, Side, compare
from experiments.results.comparison_text import in_words, tables
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import refuse_missing
from experiments.tracking.service import TrackingError

if TYPE_CHECKING:
    from cifar.evaluation import Evaluation
    from experiments.tracking.reading import Curve, RecordedRun

PACKAGES, CHANGES = "environment/packages.txt", "environment/uncommitted.diff"
ANSWERS = "predictions/test_predictions.npz"

HELP = """\
Puts run B beside run A: is it better on the test images, by how much, and how sure is that; which classes moved; what
differs in settings, code, packages and data; and after which epoch they part.

  python -m experiments.compare A B
  python -m experiments.compare champion latest
  python -m experiments.compare A B --json

A, B     MLflow's id, the beginning of it, the run's name or folder; best, latest or champion
--json   the same for programs
--uri    another store than mlflow.db here, or $MLFLOW_TRACKING_URI
"""


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 compared, 2 it is the user's to mend."""
    return answer(argv, HELP, _compare)


def _compare(argv: list[str]) -> int:
    console = Console(soft_wrap=True, highlight=False)
    typed = _arguments(argv)
    config = TrackingConfig(uri=typed.uri)
    refuse_missing(config)
    with console.status("reading the runs") if console.is_terminal else nullcontext():
        a, b = read_sides((typed.a, typed.b), config)
        found = compare(a, b)
    if typed.json:
        print(json.dumps({"a": a.name, "b": b.name, **asdict(found)}, indent=2))
        return 0
    print(in_words(a, b, found))
    for table in tables(found):
        console.print()
        console.print(table)
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = new_parser("compare")
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--uri")
    return parser.parse_args(argv)


def read_sides(named: tuple[str, ...], config: TrackingConfig) -> list[Side]:
    """The runs that a person named, with all that is compared.

    Raises:
        TrackingError: one of them is not in the store, or the store cannot be used.
    """
    from experiments.tracking.finding import recorded
    from experiments.tracking.reading import read_curves

    runs = recorded(named, config)
    curves = read_curves(config, [run.run_id for run in runs], EPOCH_METRICS)
    with tempfile.TemporaryDirectory() as aside:
        return [_side(run, curves.get(run.run_id, {}), config, Path(aside)) for run in runs]


def _side(run: RecordedRun, curves: dict[str, Curve], config: TrackingConfig, aside: Path) -> Side:
    found, missing = _files(run, config, aside)
    packages, changes = (_text(found.get(name)) for name in (PACKAGES, CHANGES))
    answers = found.get(ANSWERS)
    return Side(
        name=f"{printable(run.name)} ({run.run_id[:8]}{'' if run.status == 'FINISHED' else f', {run.status}'})",
        params=run.params,
        tags=run.tags,
        metrics=run.metrics,
        packages=dict(line.split("==", 1) for line in packages.splitlines() if "==" in line),
        changes=changes,
        curves=curves,
        answers=None if answers is None else _answers(answers, run),
        run_id=run.run_id,
        missing=missing,
    )


def _files(run: RecordedRun, config: TrackingConfig, aside: Path) -> tuple[dict[str, Path], str]:
    """The files of a run that are compared, as far as it has them; and why they cannot be had, if that is so."""
    from experiments.tracking.artifacts import fetch

    try:
        files = {name: fetch(run, name, config, aside) for name in (PACKAGES, CHANGES, ANSWERS)}
    except TrackingError as error:
        return {}, str(error)
    return {name: file for name, file in files.items() if file is not None}, ""


def _text(file: Path | None) -> str:
    return "" if file is None else file.read_text(encoding="utf-8", errors="replace")


def _answers(file: Path, run: RecordedRun) -> Evaluation:
    from cifar.evaluation import load_predictions

    try:
        return load_predictions(file)
    except (OSError, ValueError) as error:
        raise TrackingError(f"run {run.run_id[:8]}: its predictions cannot be read ({error})") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
