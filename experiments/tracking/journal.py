"""What a run did, line by line, in its own folder: written first; whatever a store knows comes from here."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cifar.durable import room
from experiments.tracking.checked import BAD_VALUES
from experiments.tracking.service import TrackingError

JOURNAL_FILE = "journal.jsonl"
RECENT_SECONDS = 3600.0

LOCK_SECONDS = 0.5
"""Who only looks whether a journal is open holds it for a moment; a writer is not turned away for that."""


@dataclass(frozen=True)
class Entry:
    """One line: its number from 1, milliseconds since 1970, what kind of thing it tells, and that."""

    seq: int
    at: int
    kind: str
    facts: dict[str, Any]

    def line(self) -> bytes:
        """The entry as JSON, with the end of the line."""
        told = {"seq": self.seq, "at": self.at, "kind": self.kind, **self.facts}
        return (json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def read(cls, line: bytes) -> Entry:
        """The entry of a line.

        Raises:
            ValueError, KeyError, TypeError: it is none.
        """
        told = json.loads(line)
        return cls(int(told.pop("seq")), int(told.pop("at")), str(told.pop("kind")), told)


class Journal:
    """The journal of one run, open for writing; only one process at a time can have it open.

    An entry is on the disk when `append` returns. A line that a crash cut off is dropped when the journal is opened
    again. `found` are the entries of earlier, for a run that goes on.

    Raises:
        TrackingError: the folder or the disk does not take it, or another process writes it; the line names the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # files of the user alone: a journal holds all that is known of a run
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            sync_to_disk(folder)
            sync_to_disk(folder.parent)
        except OSError as error:
            raise self._refused(error, 0) from None
        try:
            _lock(self._file, self.path)
            self.found, self._end = _read(self.path)
            self._seq, self._found_end = len(self.found), self._end
            self._latest = max((entry.at for entry in self.found), default=0)
            self._cut_back()
        except BaseException:
            self.close()
            raise

    def entry(self, kind: str, at: int | None = None, **facts: Any) -> Entry:
        """The next entry, of now or of a time in milliseconds since 1970; `append` adds it.

        A clock that was set back does not make it older than those before: a run would end before it began.
        """
        return Entry(self._seq + 1, max(now(), self._latest) if at is None else at, kind, facts)

    def append(self, kind: str, at: int | None = None, **facts: Any) -> Entry:
        """Adds an entry and waits until the disk has it."""
        entry = self.entry(kind, at, **facts)
        line = entry.line()
        try:
            _write_all(self._file, line)
            os.fsync(self._file)
        except OSError as error:
            self._cut_back()
            raise self._refused(error, len(line)) from None
        self._end += len(line)
        self._seq, self._latest = entry.seq, max(entry.at, self._latest)
        return entry

    def undo(self) -> None:
        """Takes back what was added since it was opened, and lets go: nothing came of it."""
        self._end = self._found_end
        self._cut_back()
        if not self._end:
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Lets go of the file; another process may open it then."""
        os.close(self._file)

    def _cut_back(self) -> None:
        """Half a line at the end would spoil the next one."""
        with suppress(OSError):  # /dev/full cannot be cut
            os.ftruncate(self._file, self._end)

    def _refused(self, error: OSError, size: int) -> TrackingError:
        needs = f": {room(size, self.path.parent)}" if size else ""
        return TrackingError(
            f"{self.path}: the run's journal cannot be written ({error.strerror or error}){needs}. Free some space, "
            "allow it to be written, or choose another folder (hydra.run.dir=...)"
        )


def read_journal(path: Path) -> list[Entry]:
    """The entries of a journal; a last line that a crash cut off is left out.

    Raises:
        TrackingError: it cannot be read, or a line in the middle is damaged.
    """
    return _read(path)[0]


def is_being_written(path: Path) -> bool:
    """Whether a process has this journal open for writing: its run goes on.

    Where the filesystem knows no locks, a journal that was written within the last hour counts as open.
    """
    if not path.is_file():
        return False
    with _readable(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return time.time() - path.stat().st_mtime < RECENT_SECONDS
    return False


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Holds a journal as its writer does: while it is brought to a store nobody goes on with it, or brings it too.

    False, if another process has it; then nothing is held.
    """
    with _readable(path) as file:
        try:
            mine = _locked(file.fileno())
        except OSError:  # a filesystem without locks, or one that wants the file open for writing
            mine = not is_being_written(path)
        yield mine


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def sync_to_disk(path: Path) -> None:
    """Waits until the disk has a file, or a folder's names."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _read(path: Path) -> tuple[list[Entry], int]:
    """The entries, and how many bytes they take."""
    entries: list[Entry] = []
    end = 0
    for number, line in enumerate(_lines(path), start=1):
        if not line.endswith(b"\n"):
            break
        try:
            entry = Entry.read(line)
        except BAD_VALUES:
            entry = None
        if entry is None or entry.seq != number:
            raise TrackingError(f"{path}: line {number} is damaged; restore the file from a copy, or put it away")
        entries.append(entry)
        end += len(line)
    return entries, end


def _lines(path: Path) -> Iterator[bytes]:
    if not path.is_file():  # /dev/full can be read without end
        return
    with _readable(path) as file:
        try:
            yield from file
        except OSError as error:
            raise _unreadable(path, error) from None


def _readable(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:  # another user's, for example
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> TrackingError:
    return TrackingError(f"{path}: cannot be read ({error.strerror or error})")


def _lock(file: int, path: Path) -> None:
    with suppress(OSError):  # a filesystem without locks
        if _locked(file):
            return
        raise TrackingError(
            f"{path}: another process writes it; its run goes on, or experiments.sync brings it at this moment"
        )


def _locked(file: int) -> bool:
    """Locks a file until it is closed; False if another process holds it for longer than a moment."""
    ends = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > ends:
                return False
        time.sleep(0.01)


def _write_all(file: int, line: bytes) -> None:
    written = 0
    while written < len(line):
        written += os.write(file, line[written:])
