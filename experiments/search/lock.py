"""One driver for a sweep: a lock that ends with its process, and who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path

from experiments.search.records import SweepError

DRIVER_FILE = "driver.json"
"""Names the process that drives the sweep; it holds a lock on this file as long as it lives."""

RECENT_SECONDS = 3600.0

_held: dict[Path, int] = {}
"""Files locked, each by which process: to the process itself its own lock is no obstacle.

A process that opens and closes such a file in any other way loses its lock.
"""


class DriverLock:
    """The right to drive the sweep in a folder, from now to `release` or the end of this process.

    Raises:
        SweepError: another process has it, named by its host and number.
        OSError: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = (folder / DRIVER_FILE).resolve()
        if _held.get(self._path) == os.getpid():
            raise SweepError(f"{folder}: this process drives the sweep already")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock()
            told = {"host": platform.node(), "process": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps(told).encode() + b"\n", 0)
        except BaseException:
            os.close(self._file)
            raise
        _held[self._path] = os.getpid()

    def goes_on(self) -> None:
        """Where there are no locks an hour counts from now."""
        with suppress(OSError):
            os.utime(self._file)

    def release(self) -> None:
        """Let another process drive."""
        os.ftruncate(self._file, 0)
        os.close(self._file)
        _held.pop(self._path, None)

    def _lock(self) -> None:
        folder = self._path.parent
        try:
            # Not flock, which children that are forked would keep: the sweep could not be resumed while one lives.
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise SweepError(f"{folder}: {_who(self._path)} drives this sweep. Wait for it, or stop it") from None
        except OSError:  # a filesystem without locks
            told = os.fstat(self._file)
            if told.st_size and time.time() - told.st_mtime < RECENT_SECONDS:
                raise SweepError(
                    f"{folder}: {_who(self._path)} began to drive this sweep, and this filesystem has no locks to tell "
                    f"whether it still does. If not, remove {self._path}"
                ) from None


def _who(path: Path) -> str:
    for _ in range(20):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return f"process {told['process']} on {told['host']}, since {told['since']},"
        except (OSError, ValueError, KeyError):  # it has the lock, and is about to write who it is
            time.sleep(0.02)
    return "another process"
