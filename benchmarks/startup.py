"""How long a command takes to start, and a small run as a whole: python -m benchmarks.startup --help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from benchmarks import command, machine
from benchmarks.processes import folder_on_the_same_disk, run_python
from benchmarks.report import Report, circumstances, goal, shown, spread, verdicts

KEPT = command.RESULTS / "startup.json"

COMMANDS = {
    "python -m experiments.run --help": ["-m", "experiments.run", "--help"],
    "python -m experiments.sweep --help": ["-m", "experiments.sweep", "--help"],
    "python -m experiments.report --help": ["-m", "experiments.report", "--help"],
    'python -c "import cifar.config"': ["-c", "import cifar.config"],
    "python -m experiments.run data=sample epochs=quick training.epochs=1": [
        *("-m", "experiments.run"),
        *("data=sample", "epochs=quick", "training.epochs=1"),
    ],
    'python -c "import keras"': ["-c", "import keras"],
    "mlflow --help": ["-m", "mlflow", "--help"],
}
"""What is typed, and the same without the name of the interpreter. The last two are the peers."""

MOST_SECONDS = {
    "python -m experiments.run --help": 1.0,
    "python -m experiments.run data=sample epochs=quick training.epochs=1": 12.0,
}
ENVIRONMENT = {
    "MLFLOW_TRACKING_URI": "",
    "KERAS_BACKEND": "tensorflow",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONDONTWRITEBYTECODE": "",  # the warm-up leaves this project's modules compiled, as installed libraries are
}
HEADER = ("command", "seconds")

ABOUT = """
The wall-clock of whole commands, from their start to their exit: help, an import, and a run of one epoch on made-up
images with its record in MLflow; beside them, what importing Keras and the help of MLflow take. They take turns.
"""
MORE = """
Takes about four minutes on two cores. The results go to benchmarks/results/startup.json, and as a table to startup.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code: 0 done, 1 a command failed, 2 the machine is busy."""
    parser = command.new_parser("startup", ABOUT, MORE, repeats=5, trains=False)
    return command.carry_out(command.parse(parser, argv, KEPT), benchmark, report_of, (RuntimeError,))


def benchmark(options: argparse.Namespace, before: dict[str, Any], console: Console) -> dict[str, Any]:
    """All commands take turns, each in a new folder, after one round that reads libraries from the disk."""
    seconds: dict[str, list[float]] = {typed: [] for typed in COMMANDS}
    others = []
    for number in range(options.repeats + 1):
        meter = machine.Meter()
        for typed, arguments in COMMANDS.items():
            with folder_on_the_same_disk() as folder:
                taken = run_python(arguments, folder, ENVIRONMENT).seconds
            told = f"round {number} of {options.repeats}" if number else "to warm up"
            console.print(f"{told}: {typed}: {taken:.2f} s", markup=False, highlight=False)
            if number:
                seconds[typed].append(round(taken, 3))
        if number:
            others.append(round(meter.others(), 3))
    results = command.circumstances(options, before) | {"seconds": seconds, "others_cpu": others}
    results |= sum_up(seconds)
    return results


def sum_up(seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """What the rounds come to, and whether the medians are what was to be reached."""
    figures = {typed: spread(taken, 2) for typed, taken in seconds.items()}
    goals = [
        goal(f"`{typed}` in under {most:g} s", figures[typed], "{:.2f} s", figures[typed]["median"] < most)
        for typed, most in MOST_SECONDS.items()
    ]
    return {"figures": figures, "goals": goals}


def report_of(results: Mapping[str, Any]) -> Report:
    """The table, a line for each command, and what belongs under it."""
    rows = [(f"`{typed}`", shown(taken, "{:.2f}")) for typed, taken in results["figures"].items()]
    how = f"Median (least - most) of {results['repeats']} rounds in which all took turns, from a start to an exit"
    return Report(HEADER, rows, [how, *verdicts(results["goals"]), *circumstances(results, results["others_cpu"])])


if __name__ == "__main__":
    sys.exit(main())
