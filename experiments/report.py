"""What the recorded runs say, in the terminal and as one page: python -m experiments.report [FILTER]"""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import argparse
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.frame import answer, new_parser
from experiments.schema import UsageError
from experiments.tracking.config import TrackingConfig
from experiments.tracking.redaction import redact

if TYPE_CHECKING:
    from experiments.results.overview import Overview
    from experiments.results.page.render import Made

PAGE = "report.html"

HELP = """\
Shows who did best: runs with equal settings as one group over their seeds, ranked by validation images, with ties shown
as ties; beside what the document reports; and what sweeps found. Writes the same, with curves, confusion matrices and
how every number was made, to one file that needs no network.

  python -m experiments.report
  python -m experiments.report "params.model.name = 'model2'"
  python -m experiments.report --html results/today.html

FILTER      as MLflow's pages take it; without one: every run of the store
--html      where to write the page (report.html)
--no-html   write none
--all       list the trials of sweeps, and all groups
--uri       another store than mlflow.db here, or $MLFLOW_TRACKING_URI
"""


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 told what there is, 2 it is the user's to mend."""
    return answer(argv, HELP, _report)


def _report(argv: list[str]) -> int:
    console = Console(highlight=False)
    typed = _arguments(argv)
    page = None if typed.no_html else Path(typed.html)
    if page is not None:
        _check(page)
    config = TrackingConfig(uri=typed.uri)
    with console.status("reading the runs") if console.is_terminal else nullcontext():
        found = _read(typed, config)
    if found is None:
        print(_nothing(typed.filter))
        return 0
    if page is not None:
        with console.status("making the page") if console.is_terminal else nullcontext():
            _write(found, config, page, typed)
    _show(found, console, typed.all)
    if page is not None:
        console.print(f"\nthe page: {page}", markup=False, soft_wrap=True)
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = new_parser("report")
    parser.add_argument("filter", nargs="?")
    parser.add_argument("--uri")
    parser.add_argument("--html", default=PAGE)
    parser.add_argument("--no-html", action="store_true")
    parser.add_argument("--all", action="store_true")
    return parser.parse_args(argv)


def _read(typed: argparse.Namespace, config: TrackingConfig) -> Overview | None:
    from experiments.results.overview import look_at
    from experiments.tracking.reading import read_runs, refuse_missing

    refuse_missing(config)
    runs = read_runs(config, typed.filter)
    return look_at(runs, config, typed.all, pictures=not typed.no_html) if runs else None


def _nothing(asked: str | None) -> str:
    if asked is not None:
        return f"no runs where {asked}"
    return "no runs yet. Make one: python -m experiments.run"


def _check(page: Path) -> None:
    """Refuse a place for the page before anything is read.

    Raises:
        UsageError: it is a folder, or a file of somebody else's.
    """
    from experiments.results.page.file import refusal

    try:
        reason = refusal(page)
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    if reason:
        raise UsageError(f"--html {page}", reason)


def _write(found: Overview, config: TrackingConfig, page: Path, typed: argparse.Namespace) -> None:
    """Make the page and write it.

    Raises:
        TrackingError: the store cannot be read.
        UsageError: the page cannot be written there.
    """
    from experiments.results.page.classes import best_seen
    from experiments.results.page.content import charts
    from experiments.results.page.file import write
    from experiments.results.page.render import render

    classes = best_seen(found.boards, config)
    made = _made(config, typed.filter or "")
    try:
        write(page, render(found, charts(found, classes.seen, config), classes, made, typed.all))
    except OSError as error:
        raise UsageError(f"--html {page}", f"cannot be written ({error.strerror})") from None


def _made(config: TrackingConfig, asked: str) -> Made:
    from experiments.results.page.render import Made
    from experiments.tracking.provenance import describe_environment
    from experiments.tracking.store import address

    tags = describe_environment()
    return Made(
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        store=redact(address(config)),
        command=tags["command"],
        commit=tags.get("mlflow.source.git.commit", "")[:10],
        asked=redact(asked),
    )


def _show(found: Overview, console: Console, everything: bool) -> None:
    from experiments.results.report_text import as_text

    for part in as_text(found, everything):
        console.print(part)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
