"""The pictures of a run that people look at, as matplotlib figures that know nothing of pyplot or of each other.

Colours are Okabe and Ito's, which colour-blind readers tell apart. Sizes suit a browser pane of 800 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cifar.config import CLASS_NAMES, IMAGE_SHAPE, NUM_CLASSES
from cifar.evaluation import Evaluation

BLUE, VERMILION, INK, GREY, PALE = "#0072B2", "#D55E00", "#222222", "#767676", "#E4E4E4"
WIDTH = 8.0  # inches
DPI = 150
COLUMNS = 5  # of pictures
SIDE, GAP, CAPTION = IMAGE_SHAPE[0], 6, 10  # of a picture, beside and above it, in its pixels
TITLE, TEXT, SMALL = 13, 10, 8.5  # points

Images = npt.NDArray[Any]


def learning_curves(history: Sequence[Mapping[str, float]], title: str) -> Figure:
    """Loss and accuracy after each epoch, of training and, where there is one, of validation.

    Args:
        history: for each epoch, the first first, the metrics as Keras names them (`loss`, `val_accuracy`, ...).
        title: what was trained, for example "model1, rmsprop".
    """
    if not history:
        raise ValueError("history is empty: expected the metrics of at least one epoch")
    figure = _figure(4.4, title)
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _curve(axes, history, metric, "training", BLUE, "--")
        _curve(axes, history, f"val_{metric}", "validation", VERMILION, "-")
        axes.set_title(metric, loc="left", fontsize=TEXT, color=INK)
        axes.set_xlabel("epoch", fontsize=TEXT, color=INK)
        axes.set_xlim(0.5, len(history) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        axes.grid(axis="y", color=PALE, linewidth=0.8)
        _plain(axes)
    axes.yaxis.set_major_formatter(_tick)
    _mark_best(figure, history)
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=TEXT,
        labelcolor=INK,
    )
    return figure


def _curve(axes: Axes, history: Sequence[Mapping[str, float]], metric: str, label: str, color: str, style: str) -> None:
    values = [epoch.get(metric, math.nan) for epoch in history]
    if any(map(math.isfinite, values)):
        size = 5 if len(history) <= 20 else 0  # points in points; many would run into a worm
        axes.plot(range(1, len(values) + 1), values, style, color=color, label=label, marker="o", markersize=size)


def _mark_best(figure: Figure, history: Sequence[Mapping[str, float]]) -> None:
    values = [epoch.get("val_accuracy", math.nan) for epoch in history]
    if not any(map(math.isfinite, values)):
        return
    best = int(np.nanargmax(values))
    label = f"best validation: {_percent(values[best])}, epoch {best + 1}"
    for axes in figure.axes:
        axes.axvline(best + 1, color=GREY, linewidth=1, linestyle=":", zorder=0, label=label)


def confusion_matrix(evaluation: Evaluation) -> Figure:
    """The share of each class's images (a row) that was predicted as each class (a column), in percent.

    Right answers are blue and mistakes vermilion, each on a scale of its own, so that mistakes stay visible.
    """
    shares = evaluation.confusion / np.maximum(evaluation.support, 1)[:, np.newaxis]
    right = np.eye(NUM_CLASSES, dtype=bool)
    figure = _figure(7.4, f"Confusion matrix: {_score(evaluation)}")
    axes = figure.subplots()
    axes.imshow(np.where(right, shares, np.nan), cmap=_shades(BLUE), vmin=0, vmax=1)
    most = max(shares[~right].max(), 0.01)
    axes.imshow(np.where(right, np.nan, shares), cmap=_shades(VERMILION), vmin=0, vmax=most)
    for (row, column), share in np.ndenumerate(shares):
        shade = share if row == column else share / most
        if share >= 0.005:
            color = "white" if shade > 0.85 else INK  # the one of more contrast
            axes.text(column, row, f"{share * 100:.0f}", ha="center", va="center", fontsize=TEXT, color=color)
    edges = np.arange(NUM_CLASSES + 1) - 0.5
    axes.hlines(edges, edges[0], edges[-1], color=PALE, linewidth=0.8)
    axes.vlines(edges, edges[0], edges[-1], color=PALE, linewidth=0.8)
    ticks = range(NUM_CLASSES)
    axes.set_xticks(ticks, CLASS_NAMES, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, CLASS_NAMES)
    axes.set_xlabel("predicted, % of the images of a class", fontsize=TEXT, color=INK)
    axes.set_ylabel("truth", fontsize=TEXT, color=INK)
    _plain(axes)
    return figure


def per_class_accuracy(evaluation: Evaluation) -> Figure:
    """A bar for each class that has images, the best recognised on top, beside the accuracy over all images."""
    accuracies = evaluation.per_class_accuracy
    order = [label for label in np.argsort(-accuracies, kind="stable") if evaluation.support[label]][::-1]
    places = range(len(order))
    figure = _figure(1.2 + 0.36 * len(order), f"Accuracy by class: {_score(evaluation)}")
    axes = figure.subplots()
    axes.barh(places, accuracies[order], height=0.7, color=BLUE)
    axes.axvline(evaluation.accuracy, color=INK, linewidth=1, linestyle=":")
    # Beside the names the values stand in a column, and meet neither a bar's end nor the dotted line.
    names = [f"{CLASS_NAMES[label]}   {_percent(accuracies[label])}" for label in order]
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(_tick)
    axes.set_xlabel("dotted: all classes together", fontsize=SMALL, color=GREY)
    _plain(axes)
    return figure


def confident_mistakes(images: Images, evaluation: Evaluation, count: int = 25) -> Figure:
    """The `count` wrong predictions that the network was surest of, each under its truth and what it was taken for.

    Args:
        images: (n, 32, 32, 3) uint8, the images of the evaluation in its order.
        evaluation: the answers to them.
        count: at most so many pictures.
    """
    if len(images) != len(evaluation):
        raise ValueError(f"{len(images)} images for {len(evaluation)} predictions: expected as many")
    chosen = evaluation.most_confident_mistakes(count)
    if not chosen.size:
        return _figure(0.8, f"No mistakes: {_score(evaluation)}")
    rows = math.ceil(len(chosen) / COLUMNS)
    figure = _figure(0.5 + 1.75 * rows, "The most confident mistakes: truth \N{RIGHTWARDS ARROW} predicted")
    axes = figure.subplots()  # one for all: those of 25 pictures take a second to lay out
    axes.set_axis_off()
    for place, index in enumerate(chosen):
        left, top = place % COLUMNS * (SIDE + GAP), place // COLUMNS * (SIDE + CAPTION) + CAPTION
        axes.imshow(images[index], interpolation="nearest", extent=(left, left + SIDE, top + SIDE, top))
        truth, predicted = CLASS_NAMES[evaluation.labels[index]], CLASS_NAMES[evaluation.predictions[index]]
        caption = f"{truth}\n\N{RIGHTWARDS ARROW} {predicted} {_percent(evaluation.confidences[index], 0)}"
        axes.text(left, top - 1, caption, va="bottom", fontsize=SMALL, color=INK)
    axes.set_xlim(0, COLUMNS * (SIDE + GAP) - GAP)
    axes.set_ylim(rows * (SIDE + CAPTION), 0)
    return figure


# --- what they share ----------------------------------------------------------------------------


def _figure(height: float, title: str) -> Figure:
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor="white")
    figure.suptitle(title, x=0.01, ha="left", fontsize=TITLE, fontweight="bold", color=INK)
    return figure


def _plain(axes: Axes) -> None:
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=TEXT, labelcolor=INK)


def _shades(color: str) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("shades", ["white", color])


def _tick(share: float, _: object) -> str:
    return f"{share * 100:g} %"


def _percent(share: float, decimals: int = 1) -> str:
    return f"{share * 100:.{decimals}f} %"


def _score(evaluation: Evaluation) -> str:
    return f"{_percent(evaluation.accuracy, 2)} of {len(evaluation):,} images right"
