"""What a trained network scores, from the probabilities that it gives to each class. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cifar.config import NUM_CLASSES

CLIP = 1e-7
"""Keras keeps probabilities this far from 0 and 1 before it takes the logarithm."""

ROW_SUM_TOLERANCE = 1e-2
"""How far a row may be from 1: as far as a softmax rounded to bfloat16 gets, and no logits do."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The answers of one network to n images; made by `evaluate`, which checks them.

    Attributes:
        probabilities: float32 (n, 10); a row sums to 1.
        labels: int64 (n,); the true class of each image.
    """

    probabilities: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """The number of images, n."""
        return len(self.labels)

    @property
    def predictions(self) -> npt.NDArray[np.int64]:
        """(n,) the most probable class of each image; the first of equals."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidences(self) -> npt.NDArray[np.float32]:
        """(n,) the probability of the predicted class, 0 to 1."""
        return self.probabilities.max(axis=1)

    @property
    def loss(self) -> float:
        """Mean categorical cross-entropy in nats, as Keras computes it: rows scaled to sum 1, then clipped."""
        probabilities = self.probabilities.astype(np.float64)
        of_truth = probabilities[np.arange(len(self)), self.labels] / probabilities.sum(axis=1)
        return float(-np.log(of_truth.clip(CLIP, 1 - CLIP)).mean())

    @property
    def accuracy(self) -> float:
        """The share of images whose prediction is right, 0 to 1."""
        return float((self.predictions == self.labels).mean())

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """(10, 10) how many images of the row's class were predicted as the column's."""
        pairs = self.labels * NUM_CLASSES + self.predictions
        return np.bincount(pairs, minlength=NUM_CLASSES**2).reshape(NUM_CLASSES, NUM_CLASSES)

    @property
    def support(self) -> npt.NDArray[np.int64]:
        """(10,) how many images each class has."""
        return np.bincount(self.labels, minlength=NUM_CLASSES)

    @property
    def per_class_accuracy(self) -> npt.NDArray[np.float64]:
        """(10,) the share of each class's images that was recognised (recall); NaN for a class without images."""
        support = self.support
        return np.divide(self.confusion.diagonal(), support, out=np.full(NUM_CLASSES, np.nan), where=support > 0)

    def most_confident_mistakes(self, count: int) -> npt.NDArray[np.int64]:
        """Indices of at most `count` wrong predictions, the most confident first; of equals, the first image first."""
        mistakes = np.flatnonzero(self.predictions != self.labels)
        order = np.argsort(-self.confidences[mistakes], kind="stable")
        return mistakes[order[:count]]


def evaluate(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> Evaluation:
    """Checks a network's answers and puts them beside the truth.

    Args:
        probabilities: (n, 10), each row a distribution over the classes (softmax, not logits).
        labels: (n,), whole numbers 0 to 9 (not one-hot).

    Raises:
        ValueError: what was found and what was expected.
    """
    rows, truth = np.asarray(probabilities), np.asarray(labels)
    _check_probabilities(rows)
    _check_labels(truth, len(rows))
    return Evaluation(rows.astype(np.float32), truth.astype(np.int64))


def _check_probabilities(rows: npt.NDArray[Any]) -> None:
    if rows.ndim != 2 or rows.shape[1] != NUM_CLASSES or len(rows) == 0:
        raise ValueError(f"probabilities have shape {rows.shape}: expected (n, {NUM_CLASSES}) with n at least 1")
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows)).any(axis=1).argmax())
        raise ValueError(f"probabilities of image {bad} are not finite: expected numbers from 0 to 1")
    off = np.abs(rows.sum(axis=1, dtype=np.float64) - 1) > ROW_SUM_TOLERANCE
    off |= (rows < 0).any(axis=1)
    if off.any():
        bad = int(off.argmax())
        raise ValueError(
            f"probabilities of image {bad} sum to {rows[bad].sum():.4g}, the least is {rows[bad].min():.4g}: "
            "expected a sum of 1 and none below 0 (softmax outputs, not logits)"
        )


def _check_labels(truth: npt.NDArray[Any], images: int) -> None:
    if truth.shape != (images,):
        raise ValueError(f"labels have shape {truth.shape}: expected ({images},), a class for each image")
    if not np.issubdtype(truth.dtype, np.integer):
        raise ValueError(f"labels are {truth.dtype}: expected whole numbers from 0 to {NUM_CLASSES - 1}")
    if truth.min() < 0 or truth.max() >= NUM_CLASSES:
        raise ValueError(f"labels go from {truth.min()} to {truth.max()}: expected 0 to {NUM_CLASSES - 1}")


def save_predictions(path: str | Path, evaluation: Evaluation) -> None:
    """Writes an npz of `probabilities` float32 (n, 10), `labels` uint8 (n,) and `predictions` uint8 (n,)."""
    # An open file, since NumPy would add .npz to a path without it.
    with Path(path).open("wb") as file:
        np.savez_compressed(
            file,
            probabilities=evaluation.probabilities,
            labels=evaluation.labels.astype(np.uint8),
            predictions=evaluation.predictions.astype(np.uint8),
        )


def load_predictions(path: str | Path) -> Evaluation:
    """Reads what `save_predictions` wrote; no pickles.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a file, or is damaged.
    """
    try:
        # NumPy leaves a damaged file open that it opened itself.
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            evaluation = evaluate(arrays["probabilities"], arrays["labels"])
            stored = arrays["predictions"]
    except OSError:
        raise
    except Exception as error:  # a damaged archive raises a dozen kinds: zipfile's, zlib's, tokenize's, NumPy's
        raise ValueError(f"{path}: expected the predictions of a run (npz), found: {error}") from error
    if not np.array_equal(stored, evaluation.predictions):
        raise ValueError(f"{path}: its predictions are not the most probable classes of its probabilities")
    return evaluation
