"""A leaderboard for people: a table for the terminal, Markdown for a file that also reads well as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.results.leaderboard import SEED, TEST, Configuration, FinishedRun, Leaderboard
from experiments.results.statistics import Summary

NONE = "-"
MOST_COLUMNS = 3  # of params beside the scores, so that 80 columns suffice; the others go into a table of their own
LONGEST_ERROR = 300  # characters


def as_table(board: Leaderboard) -> RenderableType:
    """For a rich console: the configurations, best first, then the runs that did not finish."""
    own, others = board.columns[:MOST_COLUMNS], board.columns[MOST_COLUMNS:]
    everyone = (*board.ranked, *board.unranked)
    parts: list[RenderableType] = []
    if everyone:
        headers, rows = _standings(board, own)
        labels = [label(header, board.columns) if header in own else header for header in headers]
        parts += [Text(), terminal_table(labels, rows), Text(_explanation(board), style="dim")]
    if everyone and others:
        settings = [[row[0], _settings(c.params, others, board.columns)] for row, c in zip(rows, everyone, strict=True)]
        parts += [Text(), terminal_table(["#", "also"], settings)]
    if board.unfinished:
        rows = [[name, status, "\n".join(filter(None, told))] for name, status, *told in _unfinished(board)]
        parts += [Text(), terminal_table(["not finished", "status", "error, settings"], rows)]
    return Group(*parts[1:]) if parts else Text("No runs.")


def as_markdown(board: Leaderboard) -> str:
    """The same, with every differing param in a column under its dotted key, and the names of the runs."""
    parts = ["# Leaderboard"]
    if everyone := (*board.ranked, *board.unranked):
        headers, rows = _standings(board, board.columns)
        names = [", ".join(run.name for run in configuration.runs) for configuration in everyone]
        rows = [[*row, runs] for row, runs in zip(rows, names, strict=True)]
        parts += [_explanation(board), _pipes([*headers, "runs"], rows)]
    if board.unfinished:
        parts += ["## Not finished", _pipes(["run", "status", "error", "settings"], _unfinished(board))]
    return "\n\n".join(parts if len(parts) > 1 else [*parts, "No runs."]) + "\n"


# --- what the cells say -------------------------------------------------------------------------


def _standings(board: Leaderboard, keys: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    everyone = (*board.ranked, *board.unranked)
    metrics = [(board.metric, [c.validation for c in everyone]), (TEST, [c.test for c in everyone])]
    metrics = [(name, summaries) for name, summaries in metrics if any(summaries)]
    rows = []
    for place, configuration in enumerate(everyone):
        rank = str(place + 1) if place < len(board.ranked) else NONE
        params = [short(configuration.params.get(key)) for key in keys]
        scores = [_score(summaries[place], name) for name, summaries in metrics]
        rows.append([rank, *params, _n(configuration), *scores])
    scored = [f"{name} %" if name.endswith("accuracy") else name for name, _ in metrics]
    return ["#", *keys, "n", *scored], rows


def _unfinished(board: Leaderboard) -> list[list[str]]:
    keys = (*board.columns, SEED)
    return [[run.name, run.status, _error(run), _settings(run.params, keys, keys)] for run in board.unfinished]


def _explanation(board: Leaderboard) -> str:
    said = []
    if board.ranked:
        said.append(f"Ranked by {board.metric}, never by test.")
    if board.unranked:
        said.append(f"{NONE}: no {board.metric}, not ranked.")
    if any(s and s.deviation is not None for c in (*board.ranked, *board.unranked) for s in (c.validation, c.test)):
        said.append("Mean \N{PLUS-MINUS SIGN} sample deviation over n seeds.")
    return " ".join(said)


def label(key: str, columns: Sequence[str]) -> str:
    """The short name of a dotted key: `model` for model.name, `depth` for model.depth where no other key ends so."""
    section, _, last = key.rpartition(".")
    if last == "name":
        return section
    return last if Counter(column.rpartition(".")[2] for column in columns)[last] == 1 else key


def _settings(params: Mapping[str, str], keys: Sequence[str], columns: Sequence[str]) -> str:
    return " ".join(f"{label(key, columns)}={short(params[key])}" for key in keys if key in params) or NONE


def short(value: str | None) -> str:
    """Four significant digits of a fraction; whole numbers (seeds, sizes) and words as they are."""
    if value is None:
        return NONE
    try:
        int(value)
    except ValueError:
        try:
            return f"{float(value):.4g}"
        except ValueError:
            return value
    return value


def _score(summary: Summary | None, metric: str) -> str:
    if summary is None:
        return NONE
    scale, decimals = (100, 2) if metric.endswith("accuracy") else (1, 4)
    deviation = "" if summary.deviation is None else f" \N{PLUS-MINUS SIGN} {summary.deviation * scale:.{decimals}f}"
    return f"{summary.mean * scale:.{decimals}f}{deviation}"


def _n(configuration: Configuration) -> str:
    summary = configuration.validation or configuration.test
    return str(summary.n if summary else len(configuration.runs))


def _error(run: FinishedRun) -> str:
    error = " ".join((run.error or "").split())
    return error if len(error) <= LONGEST_ERROR else error[: LONGEST_ERROR - 1] + "\N{HORIZONTAL ELLIPSIS}"


# --- two kinds of table -------------------------------------------------------------------------


def terminal_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for header in headers:
        table.add_column(Text(header), overflow="fold")
    for row in rows:
        # As Text: in an error "[Errno 28]" is no markup.
        table.add_row(*map(Text, row), style="bold" if row[0] == "1" else None)
    return table


def _pipes(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [[cell.replace("|", "\\|") for cell in row] for row in (headers, *rows)]
    # MLflow's page takes lines of pipes for a table from two dashes on.
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    padded = (" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(f"| {line} |" for line in padded)
