"""Images per second of training, this project beside its peers: python -m benchmarks.train --help."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from rich.console import Console

from benchmarks import command, costs, machine
from benchmarks.peers import NEEDS, PEERS
from benchmarks.tasks import Task
from benchmarks.train_goals import goals
from benchmarks.train_report import report_of, sum_up
from benchmarks.workers import Worker, WorkerError
from cifar.fields import ConfigError
from cifar.proof import DataError

RESULTS = command.RESULTS / "train.json"
IMAGES = {"model1": 12_800, "model2": 3_200, "model3": 3_200}
"""Images a turn: 3 to 20 seconds of work on two cores (JAX takes longest), and whole calls of 50 batches."""
EPOCH_IMAGES = 45_000
COSTS = ("tracking", "memory")

ABOUT = """
Trains model1, model2 and model3 on the same images with this project's engine, with Keras' fit as in the source
document on TensorFlow, JAX and PyTorch, with fit tuned (oneDNN, 50 steps a call, arrays or tf.data) and with a
hand-written PyTorch loop, batch 32, float32, all cores. Each has a process of its own and they take turns, so that a
machine whose speed drifts is the same for all: what counts are the ratios within a round.
"""
MORE = f"""
PyTorch is not in requirements.lock: "{command.INSTALL["torch"]}" adds it to this environment; without it both of its
peers are left out, and the table says so. It needs a C++ compiler and Python's headers for torch.compile.

Everything takes 20 to 30 minutes on two cores. A first try, in a minute:
  python -m benchmarks.train --models model1 --images 640 --repeats 1 --skip tracking,memory --busy-ok --json try.json

The results go to benchmarks/results/train.json, with the machine, versions and load, and as a table to train.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code: 0 done, 1 a peer failed, 2 the machine is busy or the options wrong."""
    return command.carry_out(parse(argv), benchmark, report_of, (WorkerError, ConfigError, DataError))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command.new_parser("train", ABOUT, MORE, repeats=5)
    add = parser.add_argument
    models, peers, skipped = (",".join(known) for known in (IMAGES, PEERS, COSTS))
    add("--models", type=command.names(IMAGES), default=list(IMAGES), help=f"some of {models}; all by default")
    add("--peers", type=command.names(PEERS), default=list(PEERS), help=f"some of {peers}; all by default")
    add("--images", type=command.count, help=f"images a turn; by default {IMAGES}")
    add("--skip", type=command.names(COSTS), default=[], help=f"some of {skipped}: do not measure what they cost")
    return command.parse(parser, argv, RESULTS)


def benchmark(options: argparse.Namespace, before: dict[str, Any], console: Console) -> dict[str, Any]:
    """Measure everything that was asked for."""
    left_out = command.missing(options.peers, NEEDS, console)
    results = command.circumstances(options, before) | {"left_out": left_out, "models": {}}
    peers = [name for name in options.peers if name not in left_out]
    for model in options.models:
        task = Task(model, options.images or IMAGES[model], options.data)
        with ExitStack() as stack:  # new ones for each network: what they hold in memory is this one's
            workers = [stack.enter_context(Worker(name)) for name in peers]
            results["models"][model] = measure(task, workers, options.repeats, console)
    results["costs"] = measure_costs(options, results["models"], console)
    results["goals"] = goals(results)
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
    for worker in workers:
        peers[worker.name]["peak_memory_mb"] = worker.peak_memory_mb()
    figures = sum_up(task.model, task.images, {name: peer["seconds"] for name, peer in peers.items()})
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


if __name__ == "__main__":
    sys.exit(main())
