"""What a training has come to between two epochs, as files: arrays as npz without pickles, the rest as JSON.

There is no random state to keep: the order of the images and dropout follow from (seed, epoch).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np

from cifar.config import LATER, RunConfig
from cifar.durable import DamagedError
from cifar.fields import flatten, shown

FORMAT = 1
"""Raised whenever what the files mean changes."""

FILES = ("training.json", "weights.npz", "optimizer.npz", "best.npz")

UNDECISIVE = frozenset(
    {
        "training.epochs",
        "training.max_minutes",
        "training.early_stopping_patience",
        "training.restore_best_weights",
        "training.checkpoint_every",
        "data.path",
        "data.cache",
    }
)
"""Settings that may change before a training goes on: no bit of an epoch depends on them. (The data have a digest.)"""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A training between two epochs.

    Attributes:
        weights: of the network, in Keras' order.
        optimizer: all of its variables: slots, step, rate, loss scale.
        history: the metrics of each epoch so far.
        best_epoch: the one with the highest validation accuracy; None without validation images.
        best_weights: those of an earlier best epoch, where they are wanted; None otherwise.
        seconds: trained so far, by all processes together.
        settings: what decides the bits of an epoch (see `decisive_settings`).
        data_digest: of the images and how they are split.
    """

    weights: list[np.ndarray]
    optimizer: list[np.ndarray]
    history: list[dict[str, float]]
    best_epoch: int | None
    best_weights: list[np.ndarray] | None
    seconds: float
    settings: dict[str, Any]
    data_digest: str

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history)


def decisive_settings(config: RunConfig) -> dict[str, Any]:
    """The settings, by dotted key, that decide the bits of an epoch whatever comes after it."""
    needless = UNDECISIVE - ({"training.epochs"} if config.schedule.spans_training else set())
    return {key: value for key, value in flatten(config).items() if key not in needless}


def difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which decisive settings a training began with, and which it is to go on with; empty if they are the same."""
    then = {key: value for key, value in LATER.items() if key in now} | {**then}
    differing = [key for key in {**then, **now} if then.get(key, ...) != now.get(key, ...)]
    if not differing:
        return ""
    told = [f"{key}={_shown(then, key)} (now {_shown(now, key)})" for key in differing]
    reason = f"; schedule={then['schedule.name']} stretches over all epochs of a training"
    return (
        f"made with {', '.join(told)}. A training goes on with the settings that it began with"
        f"{reason if 'training.epochs' in differing else ''}"
    )


def encode(snapshot: Snapshot) -> dict[str, bytes]:
    """A snapshot as the content of FILES."""
    state = {
        "format": FORMAT,
        "epoch": snapshot.epoch,
        "best_epoch": snapshot.best_epoch,
        "seconds": snapshot.seconds,
        "data_digest": snapshot.data_digest,
        "settings": snapshot.settings,
        "history": snapshot.history,
    }
    arrays = (snapshot.weights, snapshot.optimizer, snapshot.best_weights or [])
    return dict(zip(FILES, (json.dumps(state, indent=1).encode(), *map(_pack, arrays)), strict=True))


def decode(files: Mapping[str, bytes]) -> Snapshot:
    """The snapshot that `encode` made these of.

    Raises:
        DamagedError: another version of this project wrote them, or something else.
    """
    try:
        state = json.loads(files["training.json"])
        if state["format"] != FORMAT:
            raise DamagedError(f"training.json is of format {state['format']}, and this version reads {FORMAT}")
        weights, optimizer, best = (_unpack(files[name]) for name in FILES[1:])
        kept = {name: state[name] for name in ("history", "best_epoch", "seconds", "settings", "data_digest")}
    except (LookupError, TypeError, ValueError, EOFError, BadZipFile) as error:
        raise DamagedError(f"it holds no checkpoint ({type(error).__name__}: {error})") from None
    return Snapshot(weights=weights, optimizer=optimizer, best_weights=best or None, **kept)


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return shown(settings[key]) if key in settings else "unset"


def _pack(arrays: list[np.ndarray]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, *arrays)
    return stream.getvalue()


def _unpack(content: bytes) -> list[np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return [archive[f"arr_{index}"] for index in range(len(archive.files))]
