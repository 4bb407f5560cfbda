"""The figures of benchmarks.gpu as a table, and beside them what was to be reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import Report, circumstances, ratios, shown, spread

NAMES = {"ours": "this project", "keras": "Keras `fit`"}
HEADER = ("network", "who", "seconds an epoch", "their epoch / ours", "first epoch, with compiling")
EPOCHS, IMAGES = 15, 45_000
"""The work that the goals are set for."""
SECONDS = {"model1": 3.5, "model2": 6.0, "model3": 6.0}
"""At most, for all of it with validation after each epoch, compiled, on one H100."""
LEAST_OVER_KERAS = 5.0

Goal = dict[str, Any]


def sum_up(epochs: Mapping[str, int], seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """What the turns come to; ratios are taken within each round, then their median.

    Args:
        epochs: of a turn, by peer.
        seconds: of each turn, by peer.
    """
    epoch = {name: [turn / epochs[name] for turn in turns] for name, turns in seconds.items()}
    return {
        "seconds": spread(seconds["ours"]),
        "seconds_an_epoch": {name: spread(values, 4) for name, values in epoch.items()},
        "faster_than_keras": spread(ratios(epoch["keras"], epoch["ours"])),
    }


def goals(results: Mapping[str, Any]) -> list[Goal]:
    """What was to be reached and whether it was, by the median; nothing where the work or the device is another."""
    if results["device"]["kind"] != "gpu" or (results["epochs"], results["images"]) != (EPOCHS, IMAGES):
        return []
    found = []
    for model, one in results["models"].items():
        taken, ratio, most = one["seconds"], one["faster_than_keras"], SECONDS[model]
        what = f"{model}: {EPOCHS} epochs take at most {most:g} s"
        found.append({"what": what, "found": shown(taken, "{:.2f}"), "reached": taken["median"] <= most})
        what = f"{model}: at least {LEAST_OVER_KERAS:g} times as fast as Keras' fit"
        reached = ratio["median"] >= LEAST_OVER_KERAS
        found.append({"what": what, "found": shown(ratio, "{:.1f}"), "reached": reached})
    return found


def report_of(results: Mapping[str, Any]) -> Report:
    """The table, a line for each network and peer, and what belongs under it."""
    return Report(HEADER, rows(results), remarks(results), sections=True)


def rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the table."""
    lines: list[tuple[str, ...]] = []
    for model, found in results["models"].items():
        for name, epoch in found["seconds_an_epoch"].items():
            ratio = shown(found["faster_than_keras"], "{:.2f}") if name == "keras" else ""
            first = f"{found['peers'][name]['first_seconds']:.1f}"
            lines.append((model, NAMES[name], shown(epoch, "{:.3f}"), ratio, first))
    return lines


def remarks(results: Mapping[str, Any]) -> list[str]:
    """What belongs under the table."""
    device, judged = results["device"], results["goals"]
    whole = ", ".join(f"{model} {shown(found['seconds'], '{:.2f}')} s" for model, found in results["models"].items())
    lines = [
        f"{results['epochs']} epochs of this project: {whole}",
        f"On {device['name']}. Median (least - most) of {results['repeats']} rounds in which both took turns; ratios "
        f"within a round. {results['images']:,} made-up training images, {results['validation_images']:,} to validate "
        f"after each epoch, which is part of it; batch 32, float32 with JAX's default precision of products; "
        f"unroll {results['unroll']}",
        *_parity(results["models"]),
        *(f"{'Reached' if goal['reached'] else 'MISSED'}: {goal['what']}: {goal['found']}" for goal in judged),
    ]
    if not judged:
        lines.append(f"No goals here: they are for a GPU (one H100), {EPOCHS} epochs of {IMAGES:,} images")
    if device["peak_memory_mb"] is not None:
        lines.append(f"At most {device['peak_memory_mb']:,} MB of the device's memory, both peers together")
    return lines + circumstances(results, [share for one in results["models"].values() for share in one["others_cpu"]])


def _parity(models: Mapping[str, Any]) -> list[str]:
    lines = []
    for model, found in models.items():
        apart = found["parity"]
        line = f"{model}: {_apart(apart)} from the processor's, at full precision"
        if "by_default" in apart:
            line += f"; {_apart(apart['by_default'])} at JAX's default"
        lines.append(line)
    return lines


def _apart(apart: Mapping[str, float]) -> str:
    return f"losses {apart['losses']:.1e} and steps of the weights {apart['weights']:.1e}"
