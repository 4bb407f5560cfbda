"""Finds a finished run that was equal in all that decides a result, with what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.tracking.facts import FOLDER_TAG
from experiments.tracking.store import Store

FINGERPRINT_TAG = "fingerprint"
"""The tag that equal runs share."""

CUT_SHORT_TAG = "sweep.pruned"
"""The tag of a run that was stopped before its end, and finished all the same."""

MOST_LOOKED_AT = 20
EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "images_per_second", "seconds")


@dataclass(frozen=True)
class Twin:
    """A finished run.

    Attributes:
        history: the metrics of each epoch.
        results: the last value of every metric (`test_accuracy`, ...).
        folder: where it kept its files, from the folder that its command was typed in; None if it did not say.
    """

    run_id: str
    history: list[dict[str, float]]
    results: Mapping[str, float]
    folder: Path | None


def find_twin(store: Store, fingerprint: str, epochs: range, having: str = "val_accuracy") -> Twin | None:
    """The newest finished run with this fingerprint that has a metric; None if there is none.

    Args:
        store: where to look: in its MLflow experiment.
        fingerprint: see `record.fingerprint`.
        epochs: how many epochs it may have. One that was trained further than it began for has more.
        having: a metric that it has to have.

    Raises:
        MlflowException and others: see `one_line_errors`.
    """
    equal = f"tags.`{FINGERPRINT_TAG}` = '{fingerprint}' AND attributes.status = 'FINISHED'"
    for run in store.client.search_runs([store.experiment_id], equal, max_results=MOST_LOOKED_AT):
        if CUT_SHORT_TAG in run.data.tags or _became_another(run) or having not in run.data.metrics:
            continue
        history = _history(store, run)
        if len(history) in epochs:
            folder = run.data.tags.get(FOLDER_TAG)
            return Twin(run.info.run_id, history, dict(run.data.metrics), Path(folder) if folder else None)
    return None


def _became_another(run: Any) -> bool:
    """Whether it was gone on with as what is another training: longer, or with changed code (see `Recorder`)."""
    return any(key.startswith("resume.") and key.endswith(f".{FINGERPRINT_TAG}") for key in run.data.tags)


def _history(store: Store, run: Any) -> list[dict[str, float]]:
    """The metrics of each epoch, or nothing where one is missing."""
    by_epoch: dict[int, dict[str, float]] = {}
    names = [name for name in EPOCH_METRICS if name in run.data.metrics]
    for name in names:
        for item in store.client.get_metric_history(run.info.run_id, name):
            by_epoch.setdefault(item.step, {}).setdefault(name, item.value)
    steps = sorted(by_epoch)
    whole = steps == list(range(1, len(steps) + 1)) and all(by_epoch[step].keys() == {*names} for step in steps)
    return [by_epoch[step] for step in steps] if whole else []
