"""A report for the terminal: plain words, a table for each data set, a line for each sweep, what the figures mean."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from experiments.results.boards import Board, Group
from experiments.results.findings import counted, findings
from experiments.results.overview import Overview
from experiments.results.statistics import Summary
from experiments.results.sweep_summary import SweepSummary
from experiments.results.tables import terminal_table
from experiments.results.wording import NONE, count, duration, interval, percent, settings
from experiments.tracking.words import REAL

MOST = 20
"""Groups of one table, and sweeps, unless all are asked for."""

RANKING = (
    "Ranked by the validation accuracy of the epoch that a run kept, never by test. =N: not told apart, at 5 %, from "
    "the first group with that N (paired t over 3 or more common seeds; else Welch's t; with one seed on both sides, "
    "by the number of validation images). Mean \N{PLUS-MINUS SIGN} sample deviation over n seeds, below it the 95 % "
    "interval of the mean (Student's t). looks: how often the test images were looked at."
)


def as_text(found: Overview, everything: bool = False) -> Iterator[RenderableType]:
    """The parts of a report, one after another."""
    for sentence in [*findings(found, sweeps=False), *counted(found.heaps)]:
        yield Text(sentence)
    for board in found.boards:
        yield Text()
        if board.data != REAL:
            yield Text(f"data: {board.data or 'not recorded'}", style="bold")
        yield board_table(board, None if everything else MOST)
        if not everything and len(board.groups) > MOST:
            yield Text(f"and {len(board.groups) - MOST:,} more: --all shows them", style="dim")
    if any(board.groups for board in found.boards):
        yield Text(RANKING, style="dim")
    if found.sweeps:
        yield Text()
        for sweep in found.sweeps if everything else found.sweeps[:MOST]:
            yield Text(sweep_line(sweep))
    if everything and found.heaps.pruned:
        yield Text()
        rows = [[run.name, run.tags.get("sweep.pruned", "pruned")] for run in found.heaps.pruned]
        yield terminal_table(["stopped early", "why"], rows)


def board_table(board: Board, most: int | None = None) -> Table:
    """The groups, the best first, then those without validation images."""
    headers = ["#", "settings", "n", "validation %", "test %", "time,\nparameters", "looks"]
    table = terminal_table(headers, [_row(group, board) for group in board.groups[:most]])
    for column in table.columns[2:]:
        column.no_wrap = True  # of 80 columns the settings take what is left
    return table


def _row(group: Group, board: Board) -> list[str]:
    return [
        str(group.place or NONE),
        settings(group.settings, board.columns),
        str(group.n),
        _score(group.validation),
        _score(group.test),
        "\n".join([duration(group.seconds.mean if group.seconds else None), *_size(group)]),
        str(group.looks),
    ]


def _size(group: Group) -> list[str]:
    return [] if group.parameters is None else [f"{group.parameters:,}"]


def sweep_line(sweep: SweepSummary) -> str:
    """Trials, the best of them, and by how much the winner is better."""
    best, verdict = _best(sweep), sweep.difference
    lacking = f"Its verdict is not here: {sweep.missing}." if sweep.missing and not sweep.verdict else ""
    return " ".join(filter(None, [f"sweep {sweep.name}: {trials_in_words(sweep)}{best}.", verdict, lacking]))


def trials_in_words(sweep: SweepSummary) -> str:
    """`54 trials (39 pruned)`."""
    parts = [(sweep.pruned, "pruned"), (sweep.failed, "failed"), (sweep.going_on, "going on")]
    told = ", ".join(f"{number:,} {word}" for number, word in parts if number)
    return count(sweep.trials, "trial") + (f" ({told})" if told else "")


def _best(sweep: SweepSummary) -> str:
    if sweep.best is None or sweep.score is None:
        return ""
    score = f"{100 * sweep.score:.2f} %" if sweep.objective.endswith("accuracy") else f"{sweep.score:.4f}"
    return f", the best {sweep.best.name} with {sweep.objective} {score}"


def _score(summary: Summary | None) -> str:
    return "\n".join(filter(None, (percent(summary), interval(summary))))
