"""How long does it take to read what many runs say? python -m benchmarks.reading --help."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine, many_runs
from benchmarks.command import RESULTS, Results, carry_out, circumstances, count, new_parser, parse
from benchmarks.processes import run_to_end
from benchmarks.reading_report import report, sum_up

RUNS, EPOCHS, REPEATS = 1000, 50, 5
KEPT = RESULTS / "reading.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, make a store and time its readers."""
    parser = new_parser(
        "reading",
        "Makes a store of runs and times python -m experiments.report as a whole command, and reading alone.",
        "",
        REPEATS,
        trains=False,
    )
    parser.add_argument("--runs", type=count, default=RUNS, help=f"in the store ({RUNS})")
    parser.add_argument("--epochs", type=count, default=EPOCHS, help=f"of each run ({EPOCHS})")
    return carry_out(parse(parser, argv, KEPT), benchmark, report, (RuntimeError,))


def benchmark(options: argparse.Namespace, before: dict[str, Any], console: Console) -> Results:
    """All figures and what they were measured on."""
    results = circumstances(options, before) | {"runs": options.runs, "epochs": options.epochs}
    # The folder may be in memory: a store that was just written is so in any case.
    with tempfile.TemporaryDirectory() as folder:
        console.print(f"making {options.runs:,} runs of {options.epochs} epochs", highlight=False)
        store = many_runs.make(Path(folder), options.runs, options.epochs)
        results["store_mb"] = round(store.stat().st_size / 1e6, 1)
        results |= measure(readers(f"sqlite:///{store}", folder), options.repeats, console)
    return results


def readers(uri: str, folder: str) -> dict[str, Callable[[], float]]:
    """What takes turns; each returns its seconds."""
    arguments = ["--uri", uri, "--html", str(Path(folder) / "report.html")]

    def command(*more: str) -> float:
        return run_to_end("experiments.report", [*arguments, *more], folder, {}).seconds

    return {
        "command": lambda: command("--no-html"),
        "page": command,
        "reading": lambda: _apart(_read, uri),
        "mlflow": lambda: _apart(_search, uri),
    }


def measure(found: dict[str, Callable[[], float]], repeats: int, console: Console) -> Results:
    """All readers take turns, after one round that reads libraries and store from the disk."""
    seconds: dict[str, list[float]] = {name: [] for name in found}
    others = []
    for number in range(repeats + 1):
        meter = machine.Meter()
        for name, reader in found.items():
            taken = reader()
            if number:
                seconds[name].append(round(taken, 3))
            told = f"round {number} of {repeats}" if number else "to warm up"
            console.print(f"{told}: {name}: {taken:.2f} s", highlight=False)
        if number:
            others.append(round(meter.others(), 3))
    return {"seconds": seconds, "others_cpu": others, **sum_up(seconds)}


def _apart(reader: Callable[[str], float], uri: str) -> float:
    """In a new process, so that nothing is remembered."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(reader, uri).result()


def _read(uri: str) -> float:
    """All runs and all their curves of losses and accuracies, as the report reads them."""
    from experiments.results.comparison import EPOCH_METRICS
    from experiments.tracking.config import TrackingConfig
    from experiments.tracking.reading import read_curves, read_runs

    config = TrackingConfig(uri=uri)
    began = time.perf_counter()
    runs = read_runs(config)
    read_curves(config, [run.run_id for run in runs], EPOCH_METRICS)
    return time.perf_counter() - began


def _search(uri: str) -> float:
    """The same runs without any curve, as MLflow's own client reads them."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    began = time.perf_counter()
    experiments = [item.experiment_id for item in client.search_experiments()]
    page = client.search_runs(experiments, max_results=1000)
    while page.token:
        page = client.search_runs(experiments, max_results=1000, page_token=page.token)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
