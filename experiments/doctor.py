"""Look for what is wrong with this machine and what was recorded, and mend it: python -m experiments.doctor --help."""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cifar.cache import cache_root
from cifar.fields import ConfigError
from experiments.frame import Parser, answer
from experiments.health import cost, environment, leftovers, machine
from experiments.health.findings import Finding, Level, Tell, plural, problem
from experiments.health.records import Records
from experiments.schema import UsageError
from experiments.tracking.config import DEFAULT_URI, check_uri
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError
from experiments.tracking.session import HOMES
from experiments.tracking.store import database_path, is_local, wait_no_longer_than

REQUEST_SECONDS = 20
MOST_LINES = 20
"""Of one level in one section; the others are counted."""

STYLES = {
    Level.OK: "green",
    Level.NOTE: "dim",
    Level.WARNING: "yellow",
    Level.PROBLEM: "bold red",
    Level.MENDED: "bold green",
}

HELP = """\
Looks for runs whose process is gone, files that are missing or damaged, a store that cannot be used, leftovers of
killed processes, packages, data, disk, memory and GPU, then times each network and says what runs will take. Nothing is
changed without --fix, which ends runs that nobody writes any more, completes those that the store lacks a part of,
and removes leftovers. Runs that go on are left alone.

  python -m experiments.doctor
  python -m experiments.doctor --fix --no-timing
  python -m experiments.doctor --uri http://127.0.0.1:5000
"""

Check = Callable[[Tell], Iterable[Finding]]


@dataclass
class Report:
    """What was found so far, shown as it comes."""

    console: Console
    fix: bool
    problems: int = 0
    warnings: int = 0
    mended: int = 0
    mendable: int = 0

    def section(self, title: str, check: Check) -> None:
        """Runs a check and shows what it found; what it could not do is a problem of its own."""
        findings: list[Finding] = []
        with self.console.status(title) as status:
            for finding in _all_of(check, lambda doing: status.update(f"{title}: {doing}")):
                findings.append(self._mended(finding) if self.fix else finding)
        self.problems += sum(finding.level is Level.PROBLEM for finding in findings)
        self.warnings += sum(finding.level is Level.WARNING for finding in findings)
        self.mended += sum(finding.level is Level.MENDED for finding in findings)
        self.mendable += sum(finding.mend is not None for finding in findings)
        self._show(title, findings)

    def summary(self) -> str:
        """All of it in one line."""
        mended = f"{self.mended:,} mended" if self.mended else ""
        if not self.problems and not self.warnings:
            return f"all is well{f', {mended}' if mended else ''}"
        parts = [plural(self.problems, "problem"), *([mended] if mended else []), plural(self.warnings, "warning")]
        return ", ".join(parts) + (f"; --fix mends {self.mendable} of them" if self.mendable else "")

    def _mended(self, finding: Finding) -> Finding:
        if finding.mend is None:
            return finding
        try:
            return Finding(Level.MENDED, finding.mend())
        except (TrackingError, ConfigError, OSError) as error:
            return replace(finding, mend=None, text=f"{finding.text}; it could not be mended: {redact(str(error))}")

    def _show(self, title: str, findings: Sequence[Finding]) -> None:
        if not findings:  # there is no store to look into
            return
        rows = Table.grid(padding=(0, 1))
        rows.add_column(width=8)
        rows.add_column(overflow="fold")
        plain = not self.console.is_terminal
        self.console.print(title, style="bold", highlight=False)
        for finding in _shortened(findings):
            lines = [finding.text] + ([finding.advice] if finding.advice else [])
            for number, line in enumerate(lines):
                word = finding.level if number == 0 else ""
                if plain:
                    print(f"  {word:<8} {line}")
                else:
                    rows.add_row(Text(word, STYLES[finding.level]), Text(line))
        if not plain:
            self.console.print(Padding.indent(rows, 2))


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 all is well, 1 there are problems, 2 the command line is wrong."""
    return answer(argv, _parser().format_help(), _examine)


def _examine(argv: list[str]) -> int:
    typed = _arguments(argv)
    uri = typed.uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    check_uri("--uri" if typed.uri else "MLFLOW_TRACKING_URI", uri)
    wait_no_longer_than(REQUEST_SECONDS)
    report = Report(Console(highlight=False), typed.fix)
    for title, check in checks(uri, typed.folder or [Path(name) for name in HOMES], not typed.no_timing):
        report.section(title, check)
    print(report.summary())
    return 1 if report.problems else 0


def checks(uri: str, folders: Sequence[Path], timing: bool) -> Iterator[tuple[str, Check]]:
    """Every section of the report: its title, and what finds its lines."""
    records, trial, cache = Records(uri, folders), cost.Trial(), cache_root(None) / "cifar-10"
    database = database_path(uri) if is_local(uri) else None
    yield "Packages", lambda tell: environment.versions()
    yield "Store", records.store
    yield "Runs", records.runs
    yield "Files of finished runs", records.files
    yield "Journals", records.written
    yield "Checkpoints", lambda tell: leftovers.checkpoints(folders, tell)
    yield "Leftovers", lambda tell: leftovers.leftovers(folders, database, cache)
    yield "Data", lambda tell: environment.data(cache)
    yield "Disk and memory", lambda tell: [*machine.disk([*folders, Path("mlruns")], cache), *machine.memory()]
    yield "GPU", lambda tell: trial.gpu(tell, start=timing)
    if timing:
        yield "Cost", trial.costs


def _all_of(check: Check, tell: Tell) -> Iterator[Finding]:
    try:
        yield from check(tell)
    except (TrackingError, ConfigError, OSError) as error:
        yield problem(redact(str(error)))


def _shortened(findings: Sequence[Finding]) -> Iterator[Finding]:
    for level in Level:
        found = [finding for finding in findings if finding.level is level]
        yield from found[:MOST_LINES]
        if len(found) > MOST_LINES:
            yield Finding(level, f"and {len(found) - MOST_LINES:,} more like these")


def _parser() -> Parser:
    parser = Parser(
        prog="python -m experiments.doctor", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = "where to look for runs (default: outputs/, multirun/ and sweeps/)"
    parser.add_argument("folder", nargs="*", type=Path, help=where)
    parser.add_argument("--fix", action="store_true", help="mend what can be mended without losing anything")
    parser.add_argument("--uri", help="the store (default: $MLFLOW_TRACKING_URI, or sqlite:///mlflow.db)")
    parser.add_argument("--no-timing", action="store_true", help="do not time the networks, which takes half a minute")
    return parser


def _arguments(argv: list[str]) -> argparse.Namespace:
    typed = _parser().parse_args(argv)
    for folder in typed.folder:
        if not folder.is_dir():
            raise UsageError(str(folder), "no such folder")
    return typed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
