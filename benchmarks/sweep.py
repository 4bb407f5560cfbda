"""Sixteen trials by this project's sweep and by keras-tuner: python -m benchmarks.sweep --help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from benchmarks import command, driver, machine
from benchmarks.contenders import CONTENDERS, NEEDS, Pass
from benchmarks.our_sweep import draw_settings
from benchmarks.sweep_report import goals, report_of, sum_up
from benchmarks.trials import VALIDATION_IMAGES, Setting, SweepTask
from cifar.data import load_dataset
from cifar.fields import ConfigError
from cifar.proof import DataError

RESULTS = command.RESULTS / "sweep.json"
IMAGES = {"cifar10": SweepTask.images, "sample": 960}
WARM_UP = SweepTask(trials=1, images=64, epochs=1, data="sample")
PARTS = ("warm_up", "driver")

ABOUT = """
Tries the same 16 settings of model1 on the same images with this project's sweep, once with its default of a worker
for each core and once with one process that has all cores; with plain keras-tuner over Keras' fit, once as it is and
once tuned (oneDNN, 50 steps a call); and with an Optuna study over the same fit. Each is a command of its own in a
new folder, timed from its start to its exit, so imports and, on this project's side, the record in MLflow are part of
it. They take turns: what counts are the ratios within a round. After that, what the driver of a sweep takes for
itself when 1,000 trials have gone before.
"""
MORE = f"""
Optuna is not in requirements.lock: "{command.INSTALL["optuna"]}" adds it; without it that peer is left out,
and the table says so.

Three rounds take a quarter of an hour on two cores; the one before them and the driver come on top. A first try:
  python -m benchmarks.sweep --data sample --trials 2 --images 320 --epochs 1 --repeats 1 \\
    --skip warm_up,driver --busy-ok

The images, {VALIDATION_IMAGES["cifar10"]:,} that choose beside those that train, are fetched before the first round.
The results go to benchmarks/results/sweep.json, with the machine, versions and load, and as a table to sweep.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code: 0 done, 1 a peer failed, 2 the machine is busy or the options wrong."""
    return command.carry_out(parse(argv), benchmark, report_of, (RuntimeError, ConfigError, DataError))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command.new_parser("sweep", ABOUT, MORE, repeats=3)
    add = parser.add_argument
    peers, skipped = (",".join(known) for known in (CONTENDERS, PARTS))
    add("--peers", type=command.names(CONTENDERS), default=list(CONTENDERS), help=f"some of {peers}; all by default")
    add("--trials", type=command.count, default=SweepTask.trials, help=f"settings to try ({SweepTask.trials})")
    add("--images", type=command.count, help=f"training images; by default {IMAGES}")
    add("--epochs", type=command.count, default=SweepTask.epochs, help=f"of each trial ({SweepTask.epochs})")
    add("--skip", type=command.names(PARTS), default=[], help=f"some of {skipped}")
    return command.parse(parser, argv, RESULTS)


def benchmark(options: argparse.Namespace, before: dict[str, Any], console: Console) -> dict[str, Any]:
    """Measure everything that was asked for."""
    task = SweepTask(options.trials, options.images or IMAGES[options.data], options.epochs, options.data)
    load_dataset(task.data_config)  # whoever asks first fetches them, and nobody shall pay for that
    settings = draw_settings(task)
    left_out = command.missing(options.peers, NEEDS, console)
    peers = [name for name in options.peers if name not in left_out]
    results = command.circumstances(options, before)
    results |= {"left_out": left_out, "task": asdict(task), "settings": settings}
    if "warm_up" not in options.skip:
        warm_up(peers, settings[:1], console)
    results |= measure(task, settings, peers, options.repeats, console)
    if "driver" not in options.skip:
        console.print("the driver's own time", highlight=False)
        results["driver"] = driver.measure()
    results["goals"] = goals(results)
    results["after"] = {"load_average": machine.load()}
    return results


def warm_up(peers: Sequence[str], settings: Sequence[Setting], console: Console) -> None:
    """Read all libraries from the disk once: else whoever comes first pays for the others."""
    for name in peers:
        console.print(f"{name} warms up", highlight=False)
        CONTENDERS[name].sweep(WARM_UP, settings)


def measure(
    task: SweepTask, settings: Sequence[Setting], peers: Sequence[str], repeats: int, console: Console
) -> dict[str, Any]:
    """All peers take turns at the whole sweep."""
    passes: dict[str, list[Pass]] = {name: [] for name in peers}
    others = []
    for number in range(1, repeats + 1):
        meter = machine.Meter()
        for name in peers:
            passes[name].append(CONTENDERS[name].sweep(task, settings))
            console.print(f"round {number} of {repeats}: {name}: {_told(passes[name][-1])}", highlight=False)
        others.append(round(meter.others(), 3))
        console.print(f"round {number} of {repeats}: others {others[-1]:.0%}", highlight=False)
    figures = sum_up({name: [one.seconds for one in made] for name, made in passes.items()})
    return {**figures, "others_cpu": others, "contenders": {name: _kept(made) for name, made in passes.items()}}


def _told(one: Pass) -> str:
    best = "none" if one.best_val_accuracy is None else f"{one.best_val_accuracy:.2%}"
    return f"{one.seconds:.1f} s, {one.finished} trials finished, best validation accuracy {best}"


def _kept(passes: Sequence[Pass]) -> dict[str, list[Any]]:
    return {
        "seconds": [round(one.seconds, 2) for one in passes],
        "finished": [one.finished for one in passes],
        "best_val_accuracy": [one.best_val_accuracy and round(one.best_val_accuracy, 4) for one in passes],
    }


if __name__ == "__main__":
    sys.exit(main())
