"""The pictures of a sweep: best so far against time, score against each setting, all settings side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

BLUE, VERMILION, INK, PALE = "#0072B2", "#D55E00", "#222222", "#E4E4E4"
WIDTH, DPI = 8.0, 150  # inches, dots per inch
LABEL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
COLUMNS = 3
LOG_FROM = 30
"""A setting whose largest value is so many times its smallest is drawn on a logarithmic axis."""


@dataclass(frozen=True)
class ScoredTrial:
    """A trial with a score: its searched settings, and how many minutes the sweep had been worked on at its end."""

    settings: Mapping[str, Any]
    score: float
    minutes: float
    pruned: bool = False


def best_so_far(trials: Sequence[ScoredTrial], objective: str, sign: int) -> Figure:
    """Each trial's score when it ended, and the best up to then; `sign` is 1 where more is better, else -1."""
    figure = _figure(3.6, f"best {objective} so far")
    axes = figure.subplots()
    minutes = [trial.minutes for trial in trials]
    best = [sign * value for value in accumulate((sign * trial.score for trial in trials), max)]
    axes.scatter(minutes, [trial.score for trial in trials], s=14, color=BLUE, label="a trial")
    axes.step(minutes, best, where="post", color=VERMILION, label="best so far")
    axes.set_xlabel("minutes of work")
    axes.legend(frameon=False)
    _plain(axes)
    return figure


def score_by_setting(trials: Sequence[ScoredTrial], objective: str) -> Figure:
    """The score against each searched setting, each in a plot of its own; stopped trials are hollow."""
    names = _names(trials)
    rows = math.ceil(len(names) / COLUMNS)
    figure = _figure(0.6 + 2.4 * rows, f"{objective} by setting")
    every = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).ravel()
    for axes, name in zip(every, names, strict=False):
        having = [trial for trial in trials if name in trial.settings]
        places, labels = _places([trial.settings[name] for trial in having])
        hollow = ["white" if trial.pruned else BLUE for trial in having]
        axes.scatter(places, [trial.score for trial in having], s=16, facecolors=hollow, edgecolors=BLUE)
        if labels:
            axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
        elif _is_wide(places):
            axes.set_xscale("log")
        else:
            whole = all(place.is_integer() for place in places)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=whole))
        axes.set_title(name, loc="left", fontsize=9, color=INK)
        _plain(axes)
    for axes in every[len(names) :]:
        axes.set_visible(False)
    return figure


def parallel_coordinates(trials: Sequence[ScoredTrial], objective: str, sign: int) -> Figure:
    """A line for each trial through its settings to its score, the better the darker."""
    names = [*_names(trials), objective]
    figure = _figure(4.2, "all settings")
    axes = figure.subplots()
    columns = [_column(trials, name, objective) for name in names]
    ranks = np.argsort(np.argsort([sign * trial.score for trial in trials])) / max(1, len(trials) - 1)
    for number in np.argsort(ranks):
        line = [(place, heights[number]) for place, (heights, _) in enumerate(columns)]
        known = [(place, height) for place, height in line if not math.isnan(height)]  # to the score without a gap
        axes.plot(*zip(*known, strict=True), color=colormaps["Blues"](0.2 + 0.8 * ranks[number]), linewidth=1.2)
    for place, (_, ticks) in enumerate(columns):
        axes.axvline(place, color=PALE, zorder=0)
        for height, text in ticks:
            axes.text(place + 0.02, height, text, fontsize=7, color=INK, va="center", ha="left", bbox=LABEL)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks([])
    _plain(axes)
    return figure


def _names(trials: Sequence[ScoredTrial]) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.settings))


def _places(values: Sequence[Any]) -> tuple[list[float], list[str]]:
    """Where values stand on an axis: numbers as they are; others in their order, with their names."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values], []
    labels = sorted({str(value) for value in values})
    return [float(labels.index(str(value))) for value in values], labels


def _is_wide(places: Sequence[float]) -> bool:
    return bool(places) and min(places) > 0 and max(places) / min(places) >= LOG_FROM


def _column(trials: Sequence[ScoredTrial], name: str, objective: str) -> tuple[list[float], list[tuple[float, str]]]:
    """How high each trial stands in a column from 0 to 1, NaN without the setting; and what to write where."""
    values = [trial.score if name == objective else trial.settings.get(name) for trial in trials]
    known = [value for value in values if value is not None]
    places, labels = _places(known)
    if _is_wide(places):
        places = [math.log(place) for place in places]
    low, high = min(places), max(places)
    heights = iter([(place - low) / (high - low) if high > low else 0.5 for place in places])
    if labels:
        ticks = [((number - low) / (high - low) if high > low else 0.5, text) for number, text in enumerate(labels)]
    else:
        ticks = [(0.0, f"{min(known):.4g}"), (1.0, f"{max(known):.4g}")] if high > low else [(0.5, f"{known[0]:.4g}")]
    return [math.nan if value is None else next(heights) for value in values], ticks


def _figure(height: float, title: str) -> Figure:
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor="white")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", color=INK)
    return figure


def _plain(axes: Axes) -> None:
    axes.spines[:].set_visible(False)
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=INK)
