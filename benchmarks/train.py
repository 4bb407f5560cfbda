"""Images per second of training, this project beside its peers: python -m benchmarks.train --help."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import costs, machine, report
from benchmarks.peers import PEERS
from benchmarks.tasks import Task
from benchmarks.workers import Worker, WorkerError
from cifar.config import ConfigError
from cifar.proof import DataError
from experiments.tracking.provenance import describe_environment

RESULTS = Path(__file__).parent / "results" / "train.json"
IMAGES = {"model1": 12_800, "model2": 1_600, "model3": 1_600}
"""Images a turn: 2 to 6 seconds of work on two cores, and whole calls of 50 batches."""
EPOCH_IMAGES = 45_000
COSTS = ("tracking", "memory")
NO_TORCH = 'not installed; "pip install torch==2.13.0" adds it to this environment'

ABOUT = """
Trains model1, model2 and model3 on the same images with this project's engine, with Keras' fit as in the source
document, with fit tuned (50 steps a call) and with a hand-written PyTorch loop, batch 32, float32, all cores. Each
has a process of its own and they take turns, so that a machine whose speed drifts is the same for all: what counts
are the ratios within a round.
"""
MORE = f"""
PyTorch is not in requirements.lock: where it is {NO_TORCH};
without it that peer is left out, and the table says so. It needs a C++ compiler and Python's headers for torch.compile.

Everything takes about 12 minutes on two cores. A first try, in half a minute:
  python -m benchmarks.train --models model1 --images 640 --repeats 1 --skip tracking,memory --busy-ok --json try.json

The results go to benchmarks/results/train.json, with the machine, versions and load, and as a table to train.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code: 0 done, 1 a peer failed, 2 the machine is busy or the options wrong."""
    options = parse(argv)
    console = Console()
    try:
        before = machine.look()
        if not options.busy_ok:
            machine.refuse_if_busy(before)
        results = benchmark(options, before, console)
    except machine.BusyMachineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (WorkerError, ConfigError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show(results, console)
    if options.json is not None:
        keep(results, options.json, console)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train",
        description=ABOUT,
        epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--models", type=_names(IMAGES), default=list(IMAGES), help=f"some of {','.join(IMAGES)}; all by default")
    add("--peers", type=_names(PEERS), default=list(PEERS), help=f"some of {','.join(PEERS)}; all by default")
    add("--images", type=_count, help=f"images a turn; by default {IMAGES}")
    add("--repeats", type=_count, default=5, help="rounds, after one to warm up (5)")
    add(
        "--data",
        choices=("cifar10", "sample"),
        default="cifar10",
        help="sample: made-up images; not written by default",
    )
    add("--skip", type=_names(COSTS), default=[], help=f"some of {','.join(COSTS)}: do not measure what they cost")
    add("--busy-ok", action="store_true", help="measure although others use the machine; recorded in the results")
    add(
        "--json",
        type=Path,
        help="where to write the results; the table goes beside them (benchmarks/results/train.json)",
    )
    options = parser.parse_args(argv)
    if options.json is None and options.data == "cifar10":
        options.json = RESULTS
    return options


def _names(known: Mapping[str, Any] | Sequence[str]) -> Callable[[str], list[str]]:
    def parsed(typed: str) -> list[str]:
        asked = typed.split(",")
        if unknown := [name for name in asked if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r}: expected some of {','.join(known)}")
        return [name for name in known if name in asked]

    return parsed


def _count(typed: str) -> int:
    if not typed.isdecimal() or int(typed) < 1:
        raise argparse.ArgumentTypeError(f"{typed!r}: expected a whole number of at least 1")
    return int(typed)


def benchmark(options: argparse.Namespace, before: dict[str, Any], console: Console) -> dict[str, Any]:
    """Measure everything that was asked for."""
    made_by = describe_environment()
    left_out = {"torch": NO_TORCH} if "torch" in options.peers and find_spec("torch") is None else {}
    for name, why in left_out.items():
        console.print(f"[bold red]{name} IS LEFT OUT: {why}[/]", highlight=False)
    results: dict[str, Any] = {
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
        "left_out": left_out,
        "models": {},
    }
    peers = [name for name in options.peers if name not in left_out]
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(name)) for name in peers]
        for model in options.models:
            task = Task(model, options.images or IMAGES[model], options.data)
            results["models"][model] = measure(task, workers, options.repeats, console)
    results["costs"] = measure_costs(options, results["models"], console)
    results["after"] = {"load_average": machine.load()}
    return results


def measure(task: Task, workers: Sequence[Worker], repeats: int, console: Console) -> dict[str, Any]:
    """One network: all peers get ready, warm up once, then take turns."""
    peers: dict[str, dict[str, Any]] = {}
    for worker in workers:
        console.print(f"{task.model}: {worker.name} gets ready", highlight=False)
        started = time.perf_counter()
        notes = worker.ask("build", task)
        taken = time.perf_counter() - started
        peers[worker.name] = {"notes": notes, "ready_in_seconds": round(taken, 1), "seconds": []}
    others = []
    for worker in workers:
        peers[worker.name]["warm_up_seconds"] = round(worker.ask("turn"), 4)
    for number in range(1, repeats + 1):
        meter = machine.Meter()
        for worker in workers:
            peers[worker.name]["seconds"].append(round(worker.ask("turn"), 4))
        others.append(round(meter.others(), 3))
        turns = ", ".join(f"{name} {peer['seconds'][-1]:.2f} s" for name, peer in peers.items())
        console.print(f"{task.model}: round {number} of {repeats}: {turns}; others {others[-1]:.0%}", highlight=False)
    figures = report.sum_up(task.model, task.images, {name: peer["seconds"] for name, peer in peers.items()})
    return {"images": task.images, **figures, "others_cpu": others, "load_average": machine.load(), "peers": peers}


def measure_costs(options: argparse.Namespace, models: Mapping[str, Any], console: Console) -> dict[str, Any]:
    """Of recording an epoch, and of whole runs. A run that fails is reported and does not lose the other figures."""
    found: dict[str, Any] = {}
    if "tracking" not in options.skip:
        console.print("the cost of tracking", highlight=False)
        found["tracking"] = costs.tracking_seconds()
        rate = models.get("model1", {}).get("images_per_second", {}).get("ours")
        if rate is not None:
            epoch = EPOCH_IMAGES / rate["median"]
            found["tracking"]["percent_of_model1_epoch"] = round(100 * found["tracking"]["median"] / epoch, 3)
    if "memory" not in options.skip:
        found |= {"whole_run": {}, "failed": {}}
        for model in options.models:
            console.print(f"a whole run of {model}", highlight=False)
            try:
                found["whole_run"][model] = costs.whole_run(model, options.data)
            except RuntimeError as error:
                found["failed"][model] = str(error)
    return found


def show(results: Mapping[str, Any], console: Console) -> None:
    """The table, and what belongs under it."""
    console.print(report.terminal_table(results))
    for line in report.remarks(results):
        console.print(line, markup=False, highlight=False)


def keep(results: Mapping[str, Any], path: Path, console: Console) -> None:
    """Write the results as JSON, and the table as Markdown beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(report.markdown(results), encoding="utf-8")
    console.print(f"written: {path} and {path.with_suffix('.md').name}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
