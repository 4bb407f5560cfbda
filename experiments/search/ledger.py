"""The truth of a sweep: a file of one line for each thing that happened, each on the disk before the sweep goes on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cifar.durable import room
from experiments.search.history import History
from experiments.search.lock import DriverLock
from experiments.search.records import FORMAT, Limits, Sweep, SweepError, differences
from experiments.tracking.journal import Entry, now, sync_to_disk
from experiments.tracking.signals import held_back

LEDGER_FILE = "ledger.jsonl"
log = logging.getLogger("experiments")

Observer = Callable[[Entry, History], None]
"""Told of each entry once the disk has it, with the history that includes it."""


class Ledger:
    """The ledger of one sweep, open for writing; only one process at a time can have it open.

    An entry is on the disk when `append` returns. A line that a crash cut off is dropped when the ledger is opened
    again. `history` is what all lines say together.

    Raises:
        SweepError: another process drives the sweep, a line is damaged, or the disk does not take it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / LEDGER_FILE
        self.history = History()
        self.observers: list[Observer] = []
        self._file = -1
        self._lock: DriverLock | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = DriverLock(folder)
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            sync_to_disk(folder)
            self._seq, self._end = _replay(self.path, self.history)
            self._cut_back()
        except OSError as error:
            self.close()
            raise self._refused(error, 0) from None
        except BaseException:
            self.close()
            raise

    def begin(self, sweep: Sweep, limits: Limits) -> None:
        """The first line of a new ledger, or the proof that this sweep is the one that the ledger tells of.

        Raises:
            SweepError: the ledger tells of another sweep; the line says what differs.
        """
        before = self.history.sweep
        if before is None:
            self.append("sweep", format=FORMAT, limits=asdict(limits), **asdict(sweep))
            return
        if differing := differences(before, sweep):
            more = [f"and {len(differing) - 5} more"] if len(differing) > 5 else []
            raise SweepError(
                f"{self.folder}: this sweep was begun with {'; '.join([*differing[:5], *more])}. "
                "Resume it without that, or begin another sweep"
            )
        self.extend(limits)

    def extend(self, limits: Limits) -> None:
        """Set other limits, if they are others.

        Raises:
            SweepError: there are more trials already.
        """
        made = len(self.history.trials)
        if limits.max_trials < made:
            raise SweepError(f"sweep.max_trials={limits.max_trials}: expected at least {made}, the trials made already")
        before = asdict(self.history.limits)
        changed = {key: value for key, value in asdict(limits).items() if value != before[key]}
        if changed:
            self.append("extended", **changed)

    def append(self, kind: str, **facts: Any) -> Entry:
        """Adds an entry, waits until the disk has it, and tells the observers."""
        with held_back():
            # a clock that was set back does not make it older than those before
            entry = Entry(self._seq + 1, max(now(), self.history.last_at), kind, facts)
            line = entry.line()
            entry = Entry.read(line)  # what will be read again, not what was meant
            self.history.apply(entry)
            try:
                _write_all(self._file, line)
                os.fsync(self._file)
            except OSError as error:
                self._cut_back()
                raise self._refused(error, len(line)) from None
            self._end += len(line)
            self._seq = entry.seq
            if self._lock is not None:
                self._lock.goes_on()
        for observer in self.observers:
            try:
                observer(entry, self.history)
            except Exception:  # whoever looks on must not stop a sweep
                log.exception("a sweep's observer failed at entry %d", entry.seq)
        return entry

    def close(self) -> None:
        """Lets go of the sweep; another process may drive it then."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _cut_back(self) -> None:
        """Half a line at the end would spoil the next one."""
        with suppress(OSError):  # /dev/full cannot be cut
            os.ftruncate(self._file, self._end)

    def _refused(self, error: OSError, size: int) -> SweepError:
        needs = f": {room(size, self.folder)}" if size else ""
        return SweepError(
            f"{self.path}: the sweep's ledger cannot be written ({error.strerror or error}){needs}. Free some space or "
            "allow it to be written; then resume the sweep"
        )


@contextmanager
def open_ledger(folder: Path) -> Iterator[Ledger]:
    """The ledger of the sweep in a folder, let go of at the end (see `Ledger`)."""
    ledger = Ledger(folder)
    try:
        yield ledger
    finally:
        ledger.close()


def read_ledger(folder: Path) -> History:
    """What the ledger in a folder says; it may be written meanwhile.

    Raises:
        SweepError: there is none, it cannot be read, or a line is damaged.
    """
    history = History()
    try:
        _replay(folder / LEDGER_FILE, history)
    except OSError as error:
        raise SweepError(f"{folder / LEDGER_FILE}: cannot be read ({error.strerror or error})") from None
    if history.sweep is None:
        raise SweepError(f"{folder}: no sweep was begun here")
    return history


def _replay(path: Path, history: History) -> tuple[int, int]:
    """Applies every whole line; returns how many there are, and their bytes."""
    number = end = 0
    if not path.is_file():  # /dev/full can be read without end
        return number, end
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        try:
            entry = Entry.read(line)
            if entry.seq != number + 1:
                raise ValueError("out of order")
            history.apply(entry)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise SweepError(
                f"{path}: line {number + 1} is damaged; restore the file from a copy, or begin another sweep"
            ) from None
        number, end = number + 1, end + len(line)
    return number, end


def _write_all(file: int, line: bytes) -> None:
    written = 0
    while written < len(line):
        written += os.write(file, line[written:])
