"""The charts of a page, as Plotly's JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cifar.config import CLASS_NAMES
from cifar.evaluation import Evaluation
from experiments.results.boards import Board, Group
from experiments.results.page.look import HEIGHT, PALETTE, Chart, axis_of, plain, safe, shortened
from experiments.results.statistics import Summary
from experiments.results.wording import count, duration, percent, settings

PALE, FULL = "rgba(43, 123, 186, 0)", "rgba(43, 123, 186, 0.75)"
"""The ends of the scale of a confusion matrix: what lies below shines through, white or dark."""

Curve = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Drawn:
    """A group with the mean curves of its runs: {metric: [(epoch, mean)]}."""

    name: str
    curves: Mapping[str, Curve] = field(default_factory=dict)
    n: int = 1


def mean_curve(curves: Iterable[Curve]) -> list[tuple[int, float]]:
    """The mean after each epoch, of the runs that got so far; values that are no numbers are left out."""
    values: dict[int, list[float]] = {}
    for curve in curves:
        for epoch, value in curve:
            if math.isfinite(value):
                values.setdefault(epoch, []).append(value)
    return [(epoch, math.fsum(found) / len(found)) for epoch, found in sorted(values.items())]


def curves_chart(groups: Sequence[Drawn], metric: str) -> Chart | None:
    """`accuracy` or `loss` after each epoch: validation as a line, training as dots. None where nobody recorded it."""
    import plotly.graph_objects as go

    share = metric == "accuracy"
    figure = go.Figure()
    for number, group in enumerate(groups):
        color = PALETTE[number % len(PALETTE)]
        shown = False
        for name, kind, dash in ((f"val_{metric}", "validation", "solid"), (metric, "training", "dot")):
            if curve := group.curves.get(name):
                figure.add_scatter(
                    x=[epoch for epoch, _ in curve],
                    y=[100 * value if share else value for _, value in curve],
                    mode="lines+markers" if len(curve) == 1 else "lines",
                    name=safe(shortened(group.name)),
                    legendgroup=str(number),
                    showlegend=not shown,
                    line={"color": color, "dash": dash, "width": 2},
                    customdata=[f"{safe(group.name)}<br>{kind}, n = {group.n}"] * len(curve),
                    hovertemplate="%{customdata}<br>epoch %{x}: %{y:.2f}" + (" %" if share else "") + "<extra></extra>",
                )
                shown = True
    if not figure.data:
        return None
    chart = plain(figure, "epoch", f"{metric}, %" if share else metric, legend_rows=len(groups))
    chart["layout"]["legend"]["orientation"] = "v"  # a name a row: how many would fit beside it depends on the window
    return chart


def scatter_chart(boards: Sequence[Board], axis: str) -> Chart | None:
    """Accuracy against training `time` or `parameters`: validation filled, test hollow, a colour for each network."""
    import plotly.graph_objects as go

    board = boards[0] if boards else None
    if board is None:
        return None
    models = sorted({group.model for group in board.groups})
    figure = go.Figure()
    for number, model in enumerate(models):
        for kind, symbol in (("validation", "circle"), ("test", "diamond-open")):
            points = [
                (place, summary, group)
                for group in board.groups
                if group.model == model
                and (place := _place(group, axis)) is not None
                and (summary := getattr(group, kind)) is not None
            ]
            if points:
                color = PALETTE[number % len(PALETTE)]
                figure.add_scatter(
                    x=[place for place, _, _ in points],
                    y=[100 * summary.mean for _, summary, _ in points],
                    mode="markers",
                    name=f"{safe(model)}, {kind}",
                    marker={"color": color, "symbol": symbol, "size": 9, "line": {"width": 1.5, "color": color}},
                    customdata=[_told(group, summary, kind, board) for _, summary, group in points],
                    hovertemplate="%{customdata}<extra></extra>",
                )
    if not figure.data:
        return None
    chart = plain(
        figure,
        "minutes of training" if axis == "time" else "parameters",
        "accuracy, %",
        legend_rows=len(figure.data) / 2,
    )
    places = sorted({place for trace in figure.data for place in trace.x})
    chart["layout"]["xaxis"] |= axis_of(places)
    return chart


def _place(group: Group, axis: str) -> float | None:
    if axis == "time":
        return group.seconds.mean / 60 if group.seconds else None
    return group.parameters


def _told(group: Group, summary: Summary, kind: str, board: Board) -> str:
    lines = [
        safe(settings(group.settings, board.columns)),
        f"{kind} {percent(summary)} %, n = {summary.n}",
        duration(group.seconds.mean) if group.seconds else "",
        count(group.parameters, "parameter") if group.parameters else "",
    ]
    return "<br>".join(filter(None, lines))


def confusion_chart(answers: Evaluation) -> Chart:
    """How many of the images of a row's class were taken for the column's."""
    import plotly.graph_objects as go

    counts = answers.confusion
    shares = (100 * counts / answers.support.clip(min=1)[:, None]).tolist()
    names = list(CLASS_NAMES)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=names,
            y=names,
            text=[[str(number) if number else "" for number in row] for row in counts.tolist()],
            texttemplate="%{text}",
            textfont={"size": 11},
            colorscale=[[0, PALE], [1, FULL]],
            zmin=0,
            zmax=100,
            showscale=False,
            xgap=1,
            ygap=1,
            customdata=counts.tolist(),
            hovertemplate="a %{y} taken for a %{x}:<br>%{customdata} images, %{z:.1f} %<extra></extra>",
        )
    )
    chart = plain(figure, "", "", legend_rows=0)
    chart["layout"]["height"] = HEIGHT + 60
    chart["layout"]["xaxis"] |= {"tickangle": -45, "showgrid": False}
    chart["layout"]["yaxis"] |= {"autorange": "reversed", "showgrid": False}
    return chart
