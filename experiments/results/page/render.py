"""One HTML file that needs nothing else: template, style, script, Plotly and pictures in it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.results.boards import Board, Group
from experiments.results.findings import counted, findings
from experiments.results.leaderboard import SEED, TEST
from experiments.results.overview import Overview
from experiments.results.page.classes import Classes
from experiments.results.page.definitions import DEFINITIONS
from experiments.results.page.file import GENERATOR
from experiments.results.page.look import Chart
from experiments.results.page.origins import Origin, origin
from experiments.results.report_text import RANKING, trials_in_words
from experiments.results.wording import NONE, count, duration, interval, percent, settings
from experiments.tracking.reading import RecordedRun
from experiments.tracking.words import REAL

MOST_GROUPS = 40
MOST_RUNS = 8
"""Of one group, in the table of origins."""


@dataclass(frozen=True)
class Made:
    """When, from what and by which command a page was made."""

    when: str
    store: str
    command: str
    commit: str
    asked: str = ""


@dataclass(frozen=True)
class ShownBoard:
    """A board as the page has it."""

    data: str
    real: bool
    columns: Sequence[str]
    shown: Sequence[Group]
    more: int
    origins: Sequence[Origin]


def render(found: Overview, charts: Mapping[str, Chart], classes: Classes, made: Made, everything: bool = False) -> str:
    """The page. Whatever runs say of themselves is escaped, and the page runs no script but its own two."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    loader = PackageLoader("experiments.results.page")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= FILTERS
    style, script, plotly = (
        Markup(text) for text in (_source(environment, "page.css"), _source(environment, "page.js"), get_plotlyjs())
    )
    return environment.get_template("page.html").render(
        generator=GENERATOR,
        allowed_scripts=Markup(" ".join(f"'sha256-{_sha256(text)}'" for text in (plotly, script))),
        style=style,
        script=script,
        plotly=plotly,
        made=made,
        runs=count(found.runs, "run"),
        sentences=[*findings(found), *counted(found.heaps)],
        document=found.document,
        boards=[_shown(board, None if everything else MOST_GROUPS) for board in found.boards],
        sweeps=found.sweeps,
        charts=charts,
        classes=classes,
        ranking=RANKING,
        definitions=DEFINITIONS,
        most_runs=MOST_RUNS,
    )


def _source(environment: Any, name: str) -> str:
    return str(environment.loader.get_source(environment, name)[0])


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _shown(board: Board, most: int | None) -> ShownBoard:
    shown = board.groups[:most]
    more = len(board.groups) - len(shown)
    return ShownBoard(board.data, board.data == REAL, board.columns, shown, more, [origin(group) for group in shown])


def _embedded(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def _objective(score: float, objective: str) -> str:
    return f"{100 * score:.2f} %" if objective.endswith("accuracy") else f"{score:.4f}"


def _scores(run: RecordedRun) -> str:
    values = (run.kept_validation, run.metrics.get(TEST, math.nan))
    validation, test = (f"{100 * value:.2f}" if math.isfinite(value) else NONE for value in values)
    return f"seed {run.params.get(SEED, NONE)}: {validation}, {test}"


FILTERS = {
    "percent": percent,
    "interval": interval,
    "duration": duration,
    "settings": settings,
    "trials": trials_in_words,
    "objective": _objective,
    "embedded": _embedded,
    "scores": _scores,
}
