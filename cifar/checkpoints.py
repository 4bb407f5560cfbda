"""The checkpoints of a training: the last two and the best, from which it can go on to the same bits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cifar.durable import DamagedError, read_folder, remove_folder, room, write_folder
from cifar.snapshots import FILES, Snapshot, decode, difference, encode


class CheckpointError(Exception):
    """A checkpoint that cannot be written or used, in one line: which, why, what to do."""


@dataclass(frozen=True, eq=False)
class Found:
    """The newest good snapshot, and a line for each newer one that had to be passed over."""

    snapshot: Snapshot
    warnings: list[str]


class Checkpoints:
    """The snapshots of one training in a folder of theirs: `epoch-0003` and so on, the last two and the best.

    One process at a time may write there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot for good, and remove all others but the one before it and that of the best epoch.

        Raises:
            CheckpointError: it cannot be written; those before are as they were.
        """
        files, target = encode(snapshot), self._path(snapshot.epoch)
        try:
            write_folder(target, files)
            self._remove_others(snapshot)
        except OSError as error:
            size = sum(map(len, files.values()))
            raise CheckpointError(
                f"{target}: cannot be written ({error.strerror}): {room(size, self.folder)}. Make room, or "
                "train without checkpoints: training.checkpoint_every=0; the checkpoints before it are untouched"
            ) from None

    def load(self, settings: Mapping[str, Any], data_digest: str) -> Found | None:
        """The newest snapshot whose files are as they were written; None if there never was one.

        Args:
            settings: what the training is to go on with (see `decisive_settings`).
            data_digest: of the images that it is to go on with.

        Raises:
            CheckpointError: there are snapshots and none of them is good, or they were made with other settings
                or images.
        """
        damaged: list[str] = []
        for epoch in reversed(self._epochs()):
            try:
                snapshot = self._read(epoch)
            except DamagedError as error:
                damaged.append(f"{self._path(epoch)} is damaged: {error}")
                continue
            self._refuse_others(snapshot, settings, data_digest)
            return Found(snapshot, [f"{line}; going back to epoch {epoch}" for line in damaged])
        if damaged:
            raise CheckpointError(f"{'; '.join(damaged)}. None is left to go on from: to begin anew, remove the folder")
        return None

    def weights_of(self, epoch: int) -> list[np.ndarray]:
        """The network's weights after this epoch.

        Raises:
            CheckpointError: they were not kept, or are damaged.
        """
        try:
            return self._read(epoch).weights
        except DamagedError as error:
            raise CheckpointError(
                f"{self._path(epoch)}: the weights of the best epoch so far are not there ({error}); "
                "training.restore_best_weights=false goes on without them"
            ) from None

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04}"

    def _epochs(self) -> list[int]:
        try:
            names = [path.name for path in self.folder.iterdir()]  # not glob, which takes a locked folder for empty
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CheckpointError(f"{self.folder}: the checkpoints cannot be read ({error.strerror})") from None
        return sorted(int(name.removeprefix("epoch-")) for name in names if re.fullmatch(r"epoch-\d{4,}", name))

    def _read(self, epoch: int) -> Snapshot:
        snapshot = decode(read_folder(self._path(epoch), FILES))
        if snapshot.epoch != epoch:
            raise DamagedError(f"it holds epoch {snapshot.epoch}")
        return snapshot

    def _remove_others(self, snapshot: Snapshot) -> None:
        # Later epochs are what a training that went back to an earlier one leaves behind.
        epochs = self._epochs()
        before = max((epoch for epoch in epochs if epoch < snapshot.epoch), default=None)
        for epoch in set(epochs) - {snapshot.epoch, before, snapshot.best_epoch}:
            remove_folder(self._path(epoch))

    def _refuse_others(self, snapshot: Snapshot, settings: Mapping[str, Any], data_digest: str) -> None:
        if differing := difference(snapshot.settings, settings):
            raise CheckpointError(f"{self.folder}: {differing}")
        if snapshot.data_digest != data_digest:
            raise CheckpointError(
                f"{self.folder}: made from other images (digest {snapshot.data_digest[:12]}, now {data_digest[:12]}). "
                "A training goes on with the images that it began with"
            )
