"""How soon each network reaches the document's accuracy: python -m benchmarks.accuracy --help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from benchmarks import command, machine, recipes
from benchmarks.accuracy_report import report_of, sum_up
from benchmarks.recipes import Training
from cifar import document
from cifar.config import DataConfig
from cifar.data import load_dataset
from cifar.fields import ConfigError
from cifar.proof import DataError

RESULTS = command.RESULTS / "accuracy.json"
MODELS = tuple(document.TEST_ACCURACY)

ABOUT = """
Trains each network by its fast recipe (experiment=fast_model1, ...) and by the document's (experiment=seed_model1, ...:
15 epochs) with plain Keras' fit on TensorFlow, both on all 50,000 images, each in a process of its own, and scores both
on the test images once, at the end. A recipe is fixed before, chosen on validation images; it counts only if the test
accuracy is the document's or more on every seed. Compared is the wall-clock of training, with building and compiling.
"""
MORE = """
A round is a seed. The document's recipe goes along in the first only (--document-repeats): its time is what counts,
and it is the same for all seeds but for the machine.

All three took two hours and ten minutes on two cores. A first try, in a minute:
  python -m benchmarks.accuracy --models model1 --data sample --images 320 --repeats 1 --busy-ok

The results go to benchmarks/results/accuracy.json, with the machine, versions and load, and as a table to accuracy.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code: 0 done, 1 a recipe failed, 2 a busy machine or wrong options."""
    return command.carry_out(parse(argv), benchmark, report_of, (RuntimeError, ConfigError, DataError))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command.new_parser("accuracy", ABOUT, MORE, repeats=3)
    add = parser.add_argument
    known = ",".join(MODELS)
    add("--models", type=command.names(MODELS), default=list(MODELS), help=f"some of {known}; all by default")
    add("--images", type=command.count, help="training images; all by default, as in the document")
    add(
        "--document-repeats", type=command.count, default=1, help="rounds in which the document's recipe goes along (1)"
    )
    return command.parse(parser, argv, RESULTS)


def benchmark(options: argparse.Namespace, before: dict[str, Any], console: Console) -> dict[str, Any]:
    """Each network in turn, and for each seed both recipes in turn."""
    more = ["data=sample"] if options.data == "sample" else []
    more += [f"data.train_size={options.images}"] if options.images else []
    load_dataset(
        DataConfig(name=options.data, validation_size=0)
    )  # whoever asks first fetches them, and nobody shall pay for that
    results = command.circumstances(options, before) | {"images": options.images, "models": {}}
    for model in options.models:
        results["models"][model] = measure(model, options.repeats, options.document_repeats, more, console)
    results |= sum_up(results["models"])
    results["after"] = {"load_average": machine.load()}
    return results


def measure(model: str, repeats: int, document_repeats: int, more: Sequence[str], console: Console) -> dict[str, Any]:
    """One network on so many seeds, from 0."""
    trained: dict[str, list[Training]] = {"ours": [], "document": []}
    others = []
    for seed in range(repeats):
        meter = machine.Meter()
        trained["ours"].append(recipes.ours(model, seed, more))
        if seed < document_repeats:
            trained["document"].append(recipes.document(model, seed, more))
        others.append(round(meter.others(), 3))
        for who, made in trained.items():
            if len(made) > seed:
                console.print(f"{model}, seed {seed}: {who}: {_told(made[-1])}", highlight=False)
        console.print(f"{model}, seed {seed}: others {others[-1]:.0%}", highlight=False)
    kept = {who: [one.kept() for one in made] for who, made in trained.items()}
    return {"others_cpu": others, "trainings": kept}


def _told(one: Training) -> str:
    return f"{one.training_seconds:.1f} s of training, {one.command_seconds:.1f} s in all, test {one.test_accuracy:.2%}"


if __name__ == "__main__":
    sys.exit(main())
