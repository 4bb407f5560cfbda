"""An experiment: trials of one network as one program. See python -m benchmarks.many_trials --help."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from benchmarks import command, machine, stacked
from benchmarks.layer_times import layer_times
from benchmarks.many_trials_report import report_of, sum_up
from benchmarks.parity import ParityError, distance, judge
from benchmarks.peers import seconds
from benchmarks.stacked import ALONE, PRODUCTS, STACKED, State, Trial, lane, stack, trainer
from benchmarks.tasks import Task
from benchmarks.workers import Worker, WorkerError

KEPT = command.RESULTS / "many_trials.json"
TRIALS = (1, 4, 8, 16)
STEPS, BATCH = 8, 32
PARITY_STEPS = 4
PARTS = ("layers", "tensorflow")
LIBRARIES = ("jax", "jaxlib", "numpy", "tensorflow", "keras")

ABOUT = """
Trains trials of model1 that differ in learning rate, momentum, both dropout rates and seed, on the same batches in the
same order: one after another, and stacked as one JAX program, with vmap (the second convolution becomes a grouped
one), with convolutions written as products of matrices (both, or the second), and with lax.map. First every stacked
trial has to come to what it comes to alone. Beside them, one trial with this project's TensorFlow engine; and each
layer for itself, forward and backward.
"""
MORE = """
Everything takes about eight minutes on two cores. A first try:
  python -m benchmarks.many_trials --trials 2 --steps 2 --repeats 1 --skip layers,tensorflow --busy-ok --json try.json
"""

Program = Callable[[], Any]
Given = tuple[jax.Array, jax.Array, jax.Array]
"""Images, labels and the batches of indices into them, (steps, batch), that all trials share."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code: 0 done, 1 not the same or a peer failed, 2 busy or wrong options."""
    options = parse(argv)
    if options.device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    return command.carry_out(options, benchmark, report_of, (ParityError, WorkerError))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = command.new_parser("many_trials", ABOUT, MORE, repeats=3, trains=False)
    add = parser.add_argument
    add("--trials", type=counts, default=list(TRIALS), help=f"how many at a time ({','.join(map(str, TRIALS))})")
    add("--steps", type=command.count, default=STEPS, help=f"of each trial in a turn ({STEPS}), batches of {BATCH}")
    add("--device", choices=("auto", "cpu"), default="auto", help="cpu: do not use a GPU that is there")
    add("--skip", type=command.names(PARTS), default=[], help=f"some of {','.join(PARTS)}")
    return command.parse(parser, argv, KEPT)


def counts(typed: str) -> list[int]:
    """The type of an option that takes whole numbers, separated by commas."""
    return [command.count(one) for one in typed.split(",")]


def benchmark(options: argparse.Namespace, before: dict[str, Any], console: Console) -> command.Results:
    """Measure everything that was asked for."""
    found = jax.devices()[0]
    results = command.circumstances(options, before) | {
        "versions": machine.versions(LIBRARIES),
        "data": "made up",
        "device": {"kind": found.platform, "name": found.device_kind},
        "steps": options.steps,
        "batch": BATCH,
        "trials": {},
    }
    with ExitStack() as stack_of_workers:
        tensorflow = None
        if "tensorflow" not in options.skip and find_spec("tensorflow"):
            tensorflow = stack_of_workers.enter_context(Worker("ours"))
            console.print("the TensorFlow engine gets ready", highlight=False)
            tensorflow.ask("build", Task("model1", options.steps * BATCH, "sample"))
            tensorflow.ask("turn")
        for count in options.trials:
            results["trials"][str(count)] = measure(options, count, tensorflow, console)
    if "layers" not in options.skip:
        console.print("each layer for itself", highlight=False)
        results["layers"] = layer_times(max(options.trials), BATCH, options.repeats)
    results["after"] = {"load_average": machine.load()}
    return results


def measure(options: argparse.Namespace, count: int, tensorflow: Worker | None, console: Console) -> dict[str, Any]:
    """So many trials: all ways are compared and compile, then take turns."""
    trials, states = draw(count)
    given = images_and_order(options.steps)
    parity = {way: compare(way, trials, states, given) for way in STACKED}
    console.print(f"{count} trials: stacked ones come to what they come to alone", highlight=False)
    work = programs(trials, states, given)
    first = {way: round(seconds(run), 2) for way, run in work.items()}
    taken: dict[str, list[float]] = {way: [] for way in work}
    if tensorflow is not None:
        taken["tensorflow"] = []
    others = []
    for number in range(1, options.repeats + 1):
        meter = machine.Meter()
        for way, run in work.items():
            taken[way].append(round(seconds(run), 4))
        if tensorflow is not None:
            taken["tensorflow"].append(round(tensorflow.ask("turn"), 4))
        others.append(round(meter.others(), 3))
        told = ", ".join(f"{way} {turns[-1]:.2f} s" for way, turns in taken.items())
        console.print(f"{count} trials: round {number} of {options.repeats}: {told}", highlight=False)
    return {
        **sum_up(taken, count, options.steps),
        "parity": parity,
        "first_seconds": first,
        "seconds": taken,
        "others_cpu": others,
    }


def draw(count: int) -> tuple[Trial, State]:
    """Settings and first states of some trials, stacked."""
    rng = np.random.default_rng(0)

    def trial(seed: int) -> Trial:
        return Trial(
            learning_rate=jnp.float32(10 ** rng.uniform(-4, -2.5)),
            momentum=jnp.float32(rng.choice([0.0, 0.5])),
            dropout_rate=jnp.float32(rng.uniform(0.1, 0.5)),
            dense_dropout_rate=jnp.float32(rng.uniform(0.2, 0.7)),
            seed=jnp.int32(seed),
        )

    return stack([trial(seed) for seed in range(count)]), stack([stacked.fresh(seed) for seed in range(count)])


def images_and_order(steps: int) -> Given:
    """Noise in the shape of CIFAR-10."""
    rng = np.random.default_rng(0)
    size = steps * BATCH
    images, labels = rng.integers(0, 256, (size, 32, 32, 3), np.uint8), rng.integers(0, 10, size, np.uint8)
    return jnp.asarray(images), jnp.asarray(labels), jnp.asarray(rng.permutation(size).reshape(steps, BATCH))


def programs(trials: Trial, states: State, given: Given) -> Mapping[str, Program]:
    """From a way's name to what trains all trials with it and waits for the end."""
    scan = jax.default_backend() != "cpu"
    lanes = [(lane(trials, number), lane(states, number)) for number in range(len(trials.seed))]
    found: dict[str, Program] = {
        way: partial(_in_turn, trainer(step, scan), lanes, given)
        for way, step in (("alone", ALONE), ("alone_products", PRODUCTS))
    }
    for way, step in STACKED.items():
        train = trainer(step, scan)
        found[way] = partial(_to_the_end, train, trials, states, given)
    return found


def _in_turn(train: Callable[..., Any], lanes: Sequence[tuple[Trial, State]], given: Given) -> None:
    jax.block_until_ready([train(*one, *given) for one in lanes])


def _to_the_end(train: Callable[..., Any], trials: Trial, states: State, given: Given) -> None:
    jax.block_until_ready(train(trials, states, *given))


def compare(way: str, trials: Trial, states: State, given: Given) -> dict[str, float]:
    """How far a few steps of stacked trials are from those alone: the largest of the losses, the median of the weights.

    Raises:
        ParityError: they are further apart than rounding makes them.
    """
    images, labels, batches = given
    together, alone = trainer(STACKED[way], scan=False), trainer(ALONE, scan=False)
    losses, weights = [], []
    for batch in batches[:PARITY_STEPS]:  # each begins with the state of those alone
        found, found_losses = together(trials, states, images, labels, batch[None])
        ends = []
        for number, found_loss in enumerate(found_losses):
            begin = lane(states, number)
            end, loss = alone(lane(trials, number), begin, images, labels, batch[None])
            losses.append(float(abs(found_loss - loss) / loss))
            weights.append(distance(begin.weights, end.weights, lane(found, number).weights))
            ends.append(end)
        states = stack(ends)
    apart = {"losses": max(losses), "weights": statistics.median(weights)}
    judge(way, apart)
    return apart


if __name__ == "__main__":
    sys.exit(main())
