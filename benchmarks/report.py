"""Figures to tables: for the terminal, and as Markdown for docs/performance.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.peers import SGEMM_GFLOP
from benchmarks.tasks import TRAINING_MFLOP

NAMES = {
    "ours": "this project",
    "keras": "Keras `fit`",
    "keras_tuned": "Keras `fit`, 50 steps a call",
    "torch": "PyTorch loop",
    "sgemm": "SGEMM",
}
HEADER = ("network", "who", "images per second", "this project / theirs")
BUSY = 0.05
"""Share of the machine used by others during a measurement that is worth a word."""

Spread = dict[str, float]
"""Median, least and most of some repeats."""


def spread(values: Iterable[float], digits: int = 3) -> Spread:
    """Sum up repeats."""
    found = list(values)
    figures = {"median": statistics.median(found), "min": min(found), "max": max(found)}
    return {name: round(value, digits) for name, value in figures.items()}


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
        result["faster_than"] = {name: spread(_ratios(rates["ours"], rates[name])) for name in rates if name != "ours"}
    if "sgemm" in seconds:
        gflops = [SGEMM_GFLOP / taken for taken in seconds["sgemm"]]
        result["sgemm_gflops"] = spread(gflops, 1)
        result["share_of_sgemm"] = {
            name: spread(rate * TRAINING_MFLOP[model] / 1000 / able for rate, able in zip(values, gflops, strict=True))
            for name, values in rates.items()
        }
    return result


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def rows(results: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """The lines of the table, one for each network and peer."""
    lines = []
    for model, found in results["models"].items():
        for peer, rate in found["images_per_second"].items():
            chosen = found["peers"][peer]["notes"].get("chosen")
            name = NAMES[peer] + (f" ({chosen})" if chosen else "")
            ratio = found.get("faster_than", {}).get(peer)
            lines.append((model, name, _shown(rate, "{:,.0f}"), _shown(ratio, "{:.2f}") if ratio else ""))
    return lines


def _shown(figures: Spread, form: str) -> str:
    median, least, most = (form.format(figures[name]) for name in ("median", "min", "max"))
    return f"{median} ({least} - {most})"


def remarks(results: Mapping[str, Any]) -> list[str]:
    """What belongs under the table."""
    lines = [_how(results)]
    for name, why in results["left_out"].items():
        lines.append(f"NOT MEASURED: {name} ({why})")
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
    return lines + _circumstances(results)


def _how(results: Mapping[str, Any]) -> str:
    images = ", ".join(f"{model} {found['images']:,}" for model, found in results["models"].items())
    return (
        f"Median (least - most) of {results['repeats']} rounds in which all took turns; ratios within a round. "
        f"Images a turn: {images}; batch 32, float32; data: {results['data']}"
    )


def _circumstances(results: Mapping[str, Any]) -> list[str]:
    machine, before = results["machine"], results["before"]
    during = max((share for found in results["models"].values() for share in found["others_cpu"]), default=0.0)
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB; "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items()),
        f"{results['date']}, commit {results['commit']}: {results['command']}",
        f"Load average {before['load_average'][0]} before; others used {before['others_cpu']:.0%} of the processors "
        f"before and up to {during:.0%} during a round",
    ]
    if results["busy_ok"] or during > BUSY:
        lines.append("BUSY: others used this machine meanwhile; take these figures with care")
    return lines


def terminal_table(results: Mapping[str, Any]) -> Table:
    """For a person at a terminal."""
    table = Table(*HEADER)
    previous = None
    for line in rows(results):
        if previous not in (None, line[0]):
            table.add_section()
        previous = line[0]
        table.add_row(*(cell.replace("`", "") for cell in line))
    return table


def markdown(results: Mapping[str, Any]) -> str:
    """For docs/performance.md."""
    lines = [HEADER, ("---",) * len(HEADER), *rows(results)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return table + "\n" + "".join(f"- {line}\n" for line in remarks(results))
