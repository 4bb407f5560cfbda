"""Fetches what a page shows beyond the leaderboard: curves of the first groups, and answers to the test images."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.results.boards import Board, Group
from experiments.results.comparison import EPOCH_METRICS
from experiments.results.overview import Overview
from experiments.results.page.charts import (
    Drawn,
    confusion_chart,
    curves_chart,
    mean_curve,
    scatter_chart,
)
from experiments.results.page.classes import Seen
from experiments.results.page.look import Chart
from experiments.results.wording import settings, telling
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import read_curves

MOST_DRAWN = 6
"""Groups with curves: as many as there are colours."""
MOST_RUNS = 10
"""Of a group, the newest: of a server each curve is a request."""


def charts(found: Overview, classes: Sequence[Seen], config: TrackingConfig) -> dict[str, Chart]:
    """The charts of a page by their names; those that there is nothing to draw for are left out.

    Raises:
        TrackingError: the curves cannot be read.
    """
    board = found.boards[0] if found.boards else None
    drawn = curves_of(board, config) if board else []
    made = {
        "accuracy": curves_chart(drawn, "accuracy"),
        "loss": curves_chart(drawn, "loss"),
        "time": scatter_chart(found.boards, "time"),
        "parameters": scatter_chart(found.boards, "parameters"),
    }
    made |= {f"confusion {number}": confusion_chart(seen.answers) for number, seen in enumerate(classes, start=1)}
    return {name: chart for name, chart in made.items() if chart is not None}


def chosen_for_curves(board: Board) -> list[Group]:
    """The best group of each network, then the next best of all; those without validation images come last."""
    first: dict[str, Group] = {}
    for group in board.groups:
        first.setdefault(group.model, group)
    leading = set(map(id, first.values()))
    others = [group for group in board.groups if id(group) not in leading]
    kept = set(map(id, [*first.values(), *others][:MOST_DRAWN]))
    return [group for group in board.groups if id(group) in kept]


def curves_of(board: Board, config: TrackingConfig) -> list[Drawn]:
    """Mean curves over the seeds of the chosen groups."""
    groups = chosen_for_curves(board)
    ids = [run.run_id for group in groups for run in group.runs[:MOST_RUNS]]
    curves = read_curves(config, ids, EPOCH_METRICS)
    columns = telling([group.settings for group in groups], board.columns)
    return [
        Drawn(
            settings(group.settings, columns),
            {
                name: mean_curve(curves.get(run.run_id, {}).get(name, []) for run in group.runs[:MOST_RUNS])
                for name in EPOCH_METRICS
            },
            group.n,
        )
        for group in groups
    ]
