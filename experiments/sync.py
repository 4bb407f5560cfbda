"""Complete the record of runs in MLflow, or copy whole projects to another store: python -m experiments.sync --help."""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from experiments.ending import tell_error
from experiments.frame import Parser, answer
from experiments.schema import UsageError
from experiments.tracking.completion import Completion, Summary
from experiments.tracking.config import check_uri
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, UnreachableError
from experiments.tracking.session import HOMES
from experiments.tracking.signals import Terminated, code_of, name_of
from experiments.tracking.sources import Source, journals, of_journal, of_store
from experiments.tracking.store import check_server, database_path, is_local, read_database, wait_no_longer_than

REQUEST_SECONDS = 60
DATABASE = "mlflow.db"

HELP = """\
Brings MLflow what it lacks of the runs below outputs/, multirun/ and sweeps/, or below the folders given: runs whose
server was away, database was locked, or process was killed. Each goes to the store that it was recorded for: a database
in the folder of its own project, or a server, if that is $MLFLOW_TRACKING_URI or no credentials would be sent to it.
What is there already is left as it is: a second call changes nothing.

With --to all of them go to that store, and so does every other run of the folders' mlflow.db: a whole project.

  python -m experiments.sync
  python -m experiments.sync --to http://127.0.0.1:5000
  python -m experiments.sync --to http://127.0.0.1:5000 from-the-cluster/
"""


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 all is complete, 1 something is not, 2 the command line is wrong."""
    return answer(argv, _parser().format_help(), _sync)


def _sync(argv: list[str]) -> int:
    typed = _arguments(argv)
    try:
        summary = bring(typed.folder, typed.to, typed.dry_run)
    except UnreachableError as error:
        tell_error(error)
        return 1
    except (KeyboardInterrupt, Terminated) as stop:
        print(f"stopped by {name_of(stop)}; the next call goes on from here")
        return code_of(stop)
    for line in summary.notes:
        print(line)
    for line in summary.problems:
        print(f"not complete: {redact(line)}", file=sys.stderr)
    print(told(summary, typed.dry_run))
    return 1 if summary.problems else 0


def bring(folders: Sequence[Path] | None, to: str | None, dry_run: bool) -> Summary:
    """Brings all that is found in these folders, or in the usual ones of this project, showing how far it is.

    Raises:
        TrackingError: the store named by `to`, or a database to read, cannot be used.
    """
    wait_no_longer_than(REQUEST_SECONDS)
    console = Console(stderr=True)
    with console.status("looking for runs"):
        completion = Completion(to, dry_run)
        sources = find(folders, to, completion.summary)
        if to is not None and sources:
            _check(to, dry_run)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=len(sources))

        def on_run(source: Source) -> None:
            progress.update(task, description=source.name, advance=1)

        return completion.bring_all(sources, on_run)


def find(folders: Sequence[Path] | None, to: str | None, summary: Summary) -> list[Source]:
    """The runs that journals tell of; with `to` also those of databases. What cannot be read is a problem."""
    found: list[Source] = []
    for path in journals(folders or map(Path, HOMES)):
        try:
            found.append(of_journal(path))
        except TrackingError as error:
            summary.add_problem(str(error))
    for folder in folders or [Path()]:
        path = (folder / DATABASE).resolve()
        if to is not None and path.is_file() and not (is_local(to) and database_path(to) == path):
            copied = of_store(read_database(path), path.parent, found)
            replaced = {source.identity for source in copied}
            found = [source for source in found if source.identity not in replaced] + copied
    return found


def _check(to: str, dry_run: bool) -> None:
    """Asks the store for all runs once whether it can be used; a database that is not there yet is made.

    Raises:
        TrackingError: it cannot.
    """
    check_server(to)
    if is_local(to) and (not dry_run or database_path(to).exists()):
        read_database(database_path(to))


def told(summary: Summary, dry_run: bool) -> str:
    """What came of it, in one line."""
    would = "would be " if dry_run else ""
    parts = [
        f"{summary.complete} run{'s' * (summary.complete != 1)} complete{' already' * dry_run}",
        f"{summary.new} {would}new",
        f"{summary.metrics:,} metrics {would}added",
        f"{summary.metrics_there:,} already there",
        f"{summary.artifacts} files {would}added",
    ]
    if summary.goes_on:
        parts.append(f"{summary.goes_on} still going on")
    if summary.incomplete:
        parts.append(f"{summary.incomplete} not complete")
    return ", ".join(parts)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m experiments.sync", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = "where to look for runs (default: outputs/, multirun/ and sweeps/)"
    parser.add_argument("folder", nargs="*", type=Path, help=where)
    parser.add_argument("--to", metavar="URI", help="the store for all of them, such as http://127.0.0.1:5000")
    parser.add_argument("--dry-run", action="store_true", help="say what would be brought, and change nothing")
    return parser


def _arguments(argv: list[str]) -> argparse.Namespace:
    typed = _parser().parse_args(argv)
    for folder in typed.folder:
        if not folder.is_dir():
            raise UsageError(str(folder), "no such folder")
    if typed.to is not None:
        check_uri("--to", typed.to)
    return typed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
