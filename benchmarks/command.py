"""What all benchmarks have in common from the command line to the file that they keep."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine
from benchmarks.report import Report
from experiments.tracking.provenance import describe_environment

RESULTS = Path(__file__).parent / "results"

NO_IMAGES = "none"

INSTALL = {
    "torch": "pip install torch==2.13.0",
    "jax": "pip install jax==0.10.2",
    "optuna": "pip install optuna==5.0.0",
}
"""What adds a package that a peer needs and this project does not."""

Results = dict[str, Any]
"""What is kept as JSON."""


def new_parser(name: str, about: str, more: str, repeats: int, trains: bool = True) -> argparse.ArgumentParser:
    """A command line with the options that every benchmark has.

    Args:
        repeats: how many rounds it makes by default.
        trains: whether it takes images, which may be asked for.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--repeats", type=count, default=repeats, help=f"rounds that count ({repeats})")
    if trains:
        add(
            "--data",
            choices=("cifar10", "sample"),
            default="cifar10",
            help="sample: made-up images",
        )
    else:
        parser.set_defaults(data=NO_IMAGES)
    add("--busy-ok", action="store_true", help="measure although others use the machine; recorded in the results")
    add(
        "--json",
        type=Path,
        help="where to write the results; the table goes beside them "
        f"(benchmarks/results/{name}.json, where no other option is given)",
    )
    return parser


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None, kept: Path) -> argparse.Namespace:
    """Read a command line; only the usual work, all of it on real images, overwrites the results that are kept."""
    options = parser.parse_args(argv)
    changed = {name for name, value in vars(options).items() if value != parser.get_default(name)}
    if not changed - {"json", "busy_ok"}:
        options.json = options.json or kept
    return options


def names(known: Mapping[str, Any] | Sequence[str]) -> Callable[[str], list[str]]:
    """The type of an option that takes some of these, separated by commas."""

    def parsed(typed: str) -> list[str]:
        asked = typed.split(",")
        if unknown := [name for name in asked if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r}: expected some of {','.join(known)}")
        return [name for name in known if name in asked]

    return parsed


def missing(asked: Sequence[str], needs: Mapping[str, str], console: Console) -> dict[str, str]:
    """Who is left out because a package is not there, and why; it is said aloud.

    Args:
        asked: the peers that are to take part.
        needs: the package that a peer needs, where it needs one beside this project's.
    """
    left_out = {
        name: f'{needs[name]} is not installed; "{INSTALL[needs[name]]}" adds it to this environment'
        for name in asked
        if name in needs and find_spec(needs[name]) is None
    }
    for name, why in left_out.items():
        console.print(f"[bold red]{name} IS LEFT OUT: {why}[/]", highlight=False)
    return left_out


def count(typed: str) -> int:
    """The type of an option that takes a whole number."""
    if not typed.isdecimal() or int(typed) < 1:
        raise argparse.ArgumentTypeError(f"{typed!r}: expected a whole number of at least 1")
    return int(typed)


def carry_out(
    options: argparse.Namespace,
    benchmark: Callable[[argparse.Namespace, dict[str, Any], Console], Results],
    report_of: Callable[[Results], Report],
    failures: tuple[type[Exception], ...],
) -> int:
    """Measure on a quiet machine, show what came out and keep it.

    Args:
        options: as `new_parser` makes them.
        benchmark: measures, given the options, what was seen of the machine before, and where to tell of progress.
        report_of: makes the table.
        failures: what `benchmark` raises when a peer failed, and not this command.

    Returns:
        The exit code: 0 done, 1 a peer failed, 2 the machine is busy.
    """
    console = Console(soft_wrap=True)
    try:
        before = machine.look()
        if not options.busy_ok:
            machine.refuse_if_busy(before)
        results = benchmark(options, before, console)
    except machine.BusyMachineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except failures as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    report = report_of(results)
    show(report, console)
    if options.json is None:
        console.print("not written: this is not all of the usual work; --json FILE writes it", highlight=False)
    else:
        keep(results, report, options.json, console)
    return 0


def circumstances(options: argparse.Namespace, before: Mapping[str, Any]) -> Results:
    """What results begin with: when, by which command, from which commit, on what."""
    made_by = describe_environment()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": made_by["command"],
        "commit": made_by.get("mlflow.source.git.commit", "unknown")[:10],
        "uncommitted_changes": made_by.get("git.dirty") == "true",
        "machine": machine.describe(),
        "versions": machine.versions(),
        "busy_ok": options.busy_ok,
        "before": before,
        "data": options.data,
        "repeats": options.repeats,
    }


def show(report: Report, console: Console) -> None:
    """The table, and what belongs under it."""
    console.print(report.terminal_table())
    for line in report.remarks:
        console.print(line, markup=False, highlight=False)


def keep(results: Results, report: Report, path: Path, console: Console) -> None:
    """Write the results as JSON, and the table as Markdown beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(report.markdown(), encoding="utf-8")
    console.print(f"written: {path} and {path.with_suffix('.md').name}", markup=False, highlight=False)
