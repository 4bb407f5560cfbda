"""Figures to tables, for all benchmarks: for the terminal, and as Markdown for docs/performance.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

BUSY = 0.05
"""Share of the machine used by others during a measurement that is worth a word."""

Spread = dict[str, float]
"""Median, least and most of some repeats."""

Goal = dict[str, Any]
"""As `goal` makes it; kept with the results."""


def spread(values: Iterable[float], digits: int = 3) -> Spread:
    """Sum up repeats."""
    found = list(values)
    figures = {"median": statistics.median(found), "min": min(found), "max": max(found)}
    return {name: round(value, digits) for name, value in figures.items()}


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """One quotient for each round."""
    return [one / other for one, other in zip(over, under, strict=True)]


def shown(figures: Spread, form: str) -> str:
    """A spread for people: median (least - most), each in this form."""
    median, least, most = (form.format(figures[name]) for name in ("median", "min", "max"))
    return f"{median} ({least} - {most})"


def goal(what: str, figures: Spread, form: str, reached: bool) -> Goal:
    """What was to be reached, what came out, and whether that is enough."""
    return {"what": what, "found": shown(figures, form), "reached": reached}


def verdicts(goals: Iterable[Goal]) -> list[str]:
    """A line for each goal."""
    return [f"{'Reached' if goal['reached'] else 'MISSED'}: {goal['what']}: {goal['found']}" for goal in goals]


def not_measured(results: Mapping[str, Any]) -> list[str]:
    """A line for each peer that was left out."""
    return [f"NOT MEASURED: {name} ({why})" for name, why in results["left_out"].items()]


@dataclass(frozen=True)
class Report:
    """A table and what belongs under it; with `sections`, a new value in the first column begins one at a terminal."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    remarks: Sequence[str]
    sections: bool = False

    def terminal_table(self) -> Table:
        """For a person at a terminal."""
        table = Table(*(cell.replace("`", "") for cell in self.header))
        previous = None
        for line in self.rows:
            if self.sections and previous not in (None, line[0]):
                table.add_section()
            previous = line[0]
            table.add_row(*(cell.replace("`", "") for cell in line))
        return table

    def markdown(self) -> str:
        """For docs/performance.md."""
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        return table + "\n" + "".join(f"- {line}\n" for line in self.remarks)


def _changes(results: Mapping[str, Any]) -> str:
    return " with uncommitted changes" if results.get("uncommitted_changes") else ""


def circumstances(results: Mapping[str, Any], others_cpu: Iterable[float]) -> list[str]:
    """On what, when and from what the figures were made, and who else used the machine.

    Args:
        results: as they are kept.
        others_cpu: the share of others in each round.
    """
    machine, before, during = results["machine"], results["before"], max(others_cpu, default=0.0)
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB; "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items()),
        f"{results['date']}, commit {results['commit']}{_changes(results)}: {results['command']}",
        f"Load average {before['load_average'][0]} before; others used {before['others_cpu']:.0%} of the processors "
        f"before and up to {during:.0%} during a round",
    ]
    if results["busy_ok"] or during > BUSY:
        lines.append("BUSY: others used this machine meanwhile; take these figures with care")
    return lines
