"""Whole trainings on a GPU with JAX, beside Keras' fit: python -m benchmarks.gpu --help."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from benchmarks import command, machine, packages
from benchmarks.gpu_report import EPOCHS, IMAGES, goals, report_of, sum_up
from benchmarks.parity import ParityError
from benchmarks.tasks import RECIPES
from cifar import compute
from cifar.compute import Device
from cifar.config import IMAGE_SHAPE, NUM_CLASSES, ComputeConfig, DataConfig, RunConfig, TrainingConfig
from cifar.data import Dataset, Split
from cifar.fields import ConfigError

if TYPE_CHECKING:
    from benchmarks.gpu_peers import Peer

KEPT = command.RESULTS / "gpu.json"
LEAST_IMAGES = 90
IMAGES_A_VALIDATION_IMAGE = 9
"""45,000 images train where 5,000 validate."""
LIBRARIES = ("jax", "jaxlib", "keras", "numpy")

ABOUT = """
Trains model1, model2 and model3 with this project's JAX engine, 15 epochs with validation after each, and with Keras'
fit on JAX, batch 32, on made-up images: time does not depend on what they show. First it trains a few steps on the GPU
and on the processor of the same machine, and times nothing if they do not come to the same. Compiling is timed apart.
"""
MORE = """
Neither TensorFlow nor MLflow is imported: a machine that has JAX needs these packages beside it, and this folder.
  python -m benchmarks.gpu --packages                       # here: as a requirements file, compiled ones marked

A first try without a GPU, in a minute:
  python -m benchmarks.gpu --device cpu --models model1 --images 640 --epochs 2 --repeats 1 --busy-ok

What is measured on a GPU with the usual models, images and epochs goes to benchmarks/results/gpu.json, with the
machine, versions and load, and as a table to gpu.md; anything else is written only with --json.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code: 0 done, 1 no parity, 2 the machine is busy or the options wrong."""
    options = parse(argv)
    if options.packages:
        print("\n".join(packages.to_carry()))
        return 0
    also_on_the_processor()
    try:
        options.found = compute.prepare(ComputeConfig(backend="jax", device=options.device))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json is None and is_usual(options):
        options.json = KEPT
    return command.carry_out(options, benchmark, report_of, (ParityError,))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command.new_parser("gpu", ABOUT, MORE, repeats=3, trains=False)
    add = parser.add_argument
    models = ",".join(RECIPES)
    add("--models", type=command.names(RECIPES), default=list(RECIPES), help=f"some of {models}; all by default")
    add("--epochs", type=command.count, default=EPOCHS, help=f"of this project's turns ({EPOCHS}); Keras' have one")
    add("--images", type=command.count, default=IMAGES, help=f"that train ({IMAGES}); a ninth as many validate")
    add("--unroll", type=command.count, default=1, help="steps in one turn of the loop over an epoch (1)")
    add("--device", choices=("auto", "cpu", "gpu"), default="auto", help="gpu: refuse to start without one")
    add("--packages", action="store_true", help="print what a machine needs beside JAX, and do nothing else")
    options = parser.parse_args(argv)
    if not LEAST_IMAGES <= options.images <= IMAGES:
        parser.error(f"--images {options.images}: expected {LEAST_IMAGES} to {IMAGES}")
    options.data = "made up"
    return options


def also_on_the_processor() -> None:
    """Where JAX was told to use a GPU only, it would not lend the processor, which parity needs."""
    asked = os.environ.get("JAX_PLATFORMS")
    if asked and "cpu" not in asked.split(","):
        os.environ["JAX_PLATFORMS"] = f"{asked},cpu"


def is_usual(options: argparse.Namespace) -> bool:
    """Whether these are the figures to keep."""
    usual = (list(RECIPES), EPOCHS, IMAGES, 1)
    return options.found.kind == "gpu" and (options.models, options.epochs, options.images, options.unroll) == usual


def config(options: argparse.Namespace, model: str) -> RunConfig:
    """The run that is timed."""
    network, optimizer = RECIPES[model]
    return RunConfig(
        model=network,
        optimizer=optimizer,
        data=DataConfig(train_size=options.images, validation_size=validation_images(options.images)),
        training=TrainingConfig(epochs=options.epochs, checkpoint_every=0),
        compute=ComputeConfig(backend="jax", device=options.device),
    )


def validation_images(images: int) -> int:
    """How many validate where so many train."""
    return images // IMAGES_A_VALIDATION_IMAGE


def made_up(images: int) -> Dataset:
    """Noise in the shape of CIFAR-10."""
    rng = np.random.default_rng(0)

    def noise(count: int) -> Split:
        pixels = rng.integers(0, 256, (count, *IMAGE_SHAPE), np.uint8)
        return Split(pixels, rng.integers(0, NUM_CLASSES, count, np.uint8))

    validation = noise(validation_images(images))
    return Dataset(noise(images), validation, validation, "made up", "")


def benchmark(options: argparse.Namespace, before: dict[str, Any], console: Console) -> command.Results:
    """Compare with the processor, then measure everything that was asked for."""
    dataset = made_up(options.images)
    results = command.circumstances(options, before) | {
        "versions": machine.versions(LIBRARIES),
        "epochs": options.epochs,
        "images": len(dataset.train),
        "validation_images": validation_images(options.images),
        "unroll": options.unroll,
    }
    parity = {model: compare(options, model, dataset, console) for model in options.models}
    timed = {model: measure(options, model, dataset, console) for model in options.models}
    results["models"] = {model: {"parity": parity[model], **timed[model]} for model in options.models}
    results["device"] = describe(options.found)
    results["goals"] = goals(results)
    results["after"] = {"load_average": machine.load()}
    return results


def compare(options: argparse.Namespace, model: str, dataset: Dataset, console: Console) -> dict[str, Any]:
    """Whether the device and the processor come to the same (see `gpu_parity`)."""
    from benchmarks import gpu_parity

    console.print(f"{model}: a few steps here and on the processor", highlight=False)
    return gpu_parity.compare(config(options, model), dataset.train)


def measure(options: argparse.Namespace, model: str, dataset: Dataset, console: Console) -> dict[str, Any]:
    """One network: both peers compile, then take turns."""
    from benchmarks.gpu_peers import KerasFit, Ours

    run = config(options, model)
    peers: dict[str, Peer] = {"ours": Ours(run, dataset, options.unroll), "keras": KerasFit(run, dataset)}
    first = {}
    for name, peer in peers.items():
        console.print(f"{model}: {name} gets ready", highlight=False)
        first[name] = round(peer.first(), 2)
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    others = []
    for number in range(1, options.repeats + 1):
        meter = machine.Meter()
        for name, peer in peers.items():
            seconds[name].append(round(peer.turn(), 4))
        others.append(round(meter.others(), 3))
        turns = ", ".join(f"{name} {peer.epochs} epochs in {seconds[name][-1]:.2f} s" for name, peer in peers.items())
        console.print(f"{model}: round {number} of {options.repeats}: {turns}", highlight=False)
    figures = sum_up({name: peer.epochs for name, peer in peers.items()}, seconds)
    made = {name: {"first_seconds": first[name], "seconds": seconds[name]} for name in peers}
    return {**figures, "others_cpu": others, "peers": made}


def describe(found: Device) -> dict[str, str | int | None]:
    """The device, and the most of its memory that this process has used, where it tells."""
    import jax

    counted = jax.devices()[0].memory_stats() or {}
    peak = counted.get("peak_bytes_in_use")
    return {"kind": found.kind, "name": found.name, "peak_memory_mb": None if peak is None else round(peak / 1e6)}


if __name__ == "__main__":
    sys.exit(main())
