"""The figures of benchmarks.train as a table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers import SGEMM_GFLOP
from benchmarks.report import Report, circumstances, not_measured, ratios, shown, spread, verdicts
from benchmarks.tasks import TRAINING_MFLOP

NAMES = {
    "ours": "this project",
    "keras": "Keras `fit`, TensorFlow",
    "keras_jax": "Keras `fit`, JAX",
    "keras_torch": "Keras `fit`, PyTorch",
    "keras_tuned": "Keras `fit`, TensorFlow, oneDNN, 50 steps a call",
    "torch": "PyTorch loop",
    "sgemm": "SGEMM",
}
HEADER = ("network", "who", "images per second", "this project / theirs", "memory at most, MB")


def sum_up(model: str, images: int, seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """What the turns of all peers come to; ratios are taken within each round, then their median.

    Args:
        model: the network.
        images: how many a turn trained on.
        seconds: of each turn, by peer.
    """
    rates = {name: [images / taken for taken in turns] for name, turns in seconds.items() if name != "sgemm"}
    result: dict[str, Any] = {"images_per_second": {name: spread(values, 1) for name, values in rates.items()}}
    if "ours" in rates:
        result["faster_than"] = {name: spread(ratios(rates["ours"], rates[name])) for name in rates if name != "ours"}
    if "sgemm" in seconds:
        gflops = [SGEMM_GFLOP / taken for taken in seconds["sgemm"]]
        result["sgemm_gflops"] = spread(gflops, 1)
        result["share_of_sgemm"] = {
            name: spread(rate * TRAINING_MFLOP[model] / 1000 / able for rate, able in zip(values, gflops, strict=True))
            for name, values in rates.items()
        }
    return result


def rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the table, one for each network and peer."""
    lines = []
    for model, found in results["models"].items():
        for peer, rate in found["images_per_second"].items():
            chosen = found["peers"][peer]["notes"].get("chosen")
            name = NAMES[peer] + (f" ({chosen})" if chosen else "")
            ratio = found.get("faster_than", {}).get(peer)
            memory = f"{found['peers'][peer]['peak_memory_mb']:,}"
            lines.append((model, name, shown(rate, "{:,.0f}"), shown(ratio, "{:.2f}") if ratio else "", memory))
    return lines


def remarks(results: Mapping[str, Any]) -> list[str]:
    """What belongs under the table."""
    lines = [_how(results), *not_measured(results), *verdicts(results["goals"])]
    shares = [
        f"{model} {found['share_of_sgemm']['ours']['median']:.2f}"
        for model, found in results["models"].items()
        if "ours" in found.get("share_of_sgemm", {})
    ]
    if shares:
        speeds = [found["sgemm_gflops"]["median"] for found in results["models"].values()]
        lines.append(
            f"Share of the machine's SGEMM rate ({statistics.median(speeds):.0f} GFLOP/s): {', '.join(shares)}"
        )
    costs = results["costs"]
    if tracking := costs.get("tracking"):
        percent = tracking.get("percent_of_model1_epoch")
        share = f", {percent:.2f} % of an epoch of model1" if percent is not None else ""
        lines.append(f"Tracking: {tracking['median'] * 1000:.1f} ms an epoch{share}")
    for model, run in costs.get("whole_run", {}).items():
        lines.append(f"A whole run of {model}, one epoch: {run['peak_memory_mb']:,} MB at most, {run['seconds']:.0f} s")
    lines += [f"FAILED: {name}: {why}" for name, why in costs.get("failed", {}).items()]
    rounds = [share for found in results["models"].values() for share in found["others_cpu"]]
    return lines + circumstances(results, rounds)


def _how(results: Mapping[str, Any]) -> str:
    images = ", ".join(f"{model} {found['images']:,}" for model, found in results["models"].items())
    return (
        f"Median (least - most) of {results['repeats']} rounds in which all took turns; ratios within a round. "
        f"Images a turn: {images}; batch 32, float32; data: {results['data']}. "
        "Memory: of the process, libraries included"
    )


def report_of(results: Mapping[str, Any]) -> Report:
    """The table, a line for each network and peer, and what belongs under it."""
    return Report(HEADER, rows(results), remarks(results), sections=True)
