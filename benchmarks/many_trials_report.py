"""The figures of benchmarks.many_trials as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import Report, circumstances, ratios, shown, spread

NAMES = {
    "alone": "JAX, one after another",
    "alone_products": "JAX, one after another, convolutions as products",
    "vmap": "JAX, one program: `vmap`",
    "vmap_products": "JAX, one program: `vmap`, convolutions as products",
    "vmap_mixed": "JAX, one program: `vmap`, the second convolution as a product",
    "map": "JAX, one program: `lax.map`",
    "map_products": "JAX, one program: `lax.map`, convolutions as products",
    "tensorflow": "this project's TensorFlow engine, one trial",
}
HEADER = ("trials", "how", "milliseconds for a step of a trial", "one after another / this", "first turn, seconds")


def sum_up(seconds: Mapping[str, Sequence[float]], trials: int, steps: int) -> dict[str, Any]:
    """What the turns come to; ratios are taken within each round, then their median.

    Args:
        seconds: of each turn, by way.
        trials: in a turn, but for TensorFlow's, which has one.
        steps: of each trial in a turn.
    """
    each = {
        way: [1000 * turn / (steps * (1 if way == "tensorflow" else trials)) for turn in turns]
        for way, turns in seconds.items()
    }
    return {
        "milliseconds": {way: spread(values) for way, values in each.items()},
        "faster_than_alone": {way: spread(ratios(each["alone"], each[way])) for way in each if way != "alone"},
    }


def report_of(results: Mapping[str, Any]) -> Report:
    """The table, a line for each number of trials and way, and what belongs under it."""
    return Report(HEADER, rows(results), remarks(results), sections=True)


def rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the table."""
    lines: list[tuple[str, ...]] = []
    for count, found in results["trials"].items():
        for way, milliseconds in found["milliseconds"].items():
            ratio, first = found["faster_than_alone"].get(way), found["first_seconds"].get(way)
            lines.append(
                (
                    count,
                    NAMES[way],
                    shown(milliseconds, "{:.2f}"),
                    shown(ratio, "{:.2f}") if ratio else "",
                    "" if first is None else f"{first:.1f}",
                )
            )
    return lines


def remarks(results: Mapping[str, Any]) -> list[str]:
    """What belongs under the table."""
    found = results["trials"].values()
    apart = {
        what: max(one[what] for many in found for one in many["parity"].values()) for what in ("losses", "weights")
    }
    return [
        f"On {results['device']['kind']} ({results['device']['name']}). Median (least - most) of {results['repeats']} "
        f"rounds in which all took turns; ratios within a round. model1, RMSprop, {results['steps']} steps of "
        f"{results['batch']} made-up images a turn, the same for all trials; the first turn compiles",
        f"Stacked trials are at most {apart['losses']:.1e} in a loss and {apart['weights']:.1e} in a step of the "
        "weights from the same trials alone",
        *_layers(results.get("layers")),
        *circumstances(results, [share for many in found for share in many["others_cpu"]]),
    ]


def _layers(layers: Mapping[str, Any] | None) -> list[str]:
    if layers is None:
        return []
    lines = []
    for name, ways in layers["milliseconds"].items():
        told = "; ".join(f"{way} {figures['median']:.2f}" for way, figures in ways.items())
        lines.append(f"{name}, {layers['trials']} trials, forward and backward, milliseconds for each: {told}")
    return lines
