"""What was left half done: damaged checkpoints, and files that a killed process was about to write.

Lock files stay where they are: the operating system lets go of a lock when its holder ends, so none is ever stale.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from cifar.durable import DamagedError, read_folder
from cifar.snapshots import FILES, decode
from experiments.health.findings import Finding, Tell, note, ok, plural, problem, size, some, warning
from experiments.tracking.journal import JOURNAL_FILE, is_being_written

LOOK_SECONDS = 20.0
IDLE_SECONDS = 3600.0
"""What no lock tells about is left alone until it has not changed for so long."""

_UNFINISHED = re.compile(r"unfinished-.*|\.part\..*|.*\.part|tmp[a-z0-9_]{8}")
"""Names that the project, or Python for it, gives to what is not whole yet."""


def checkpoints(folders: Sequence[Path], tell: Tell) -> Iterator[Finding]:
    """Whether each training below these folders could go on from its newest checkpoint."""
    ends, whole = time.monotonic() + LOOK_SECONDS, 0
    found = {path.parent for folder in folders for path in _walk(folder) if _is_checkpoint(path)}
    for number, home in enumerate(sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)):
        if time.monotonic() > ends:
            yield note(f"only the {number:,} newest of {len(found):,} trainings were looked at, for lack of time")
            break
        tell(f"training {number + 1:,} of {len(found):,}")
        finding = _newest(home)
        if finding is not None:
            yield finding
        whole += finding is None
    if not found:
        yield note("no training has left checkpoints yet")
    elif whole:
        yield ok(f"the newest checkpoint of {plural(whole, 'training')} is as it was written")


def leftovers(folders: Sequence[Path], database: Path | None, cache: Path) -> Iterator[Finding]:
    """What killed processes left below the folders of runs, beside the database, and in the cache of the data."""
    found = [*_unfinished(folders), *_beside(database, cache)]
    yield from found or [ok("killed processes left nothing behind")]


def _unfinished(folders: Sequence[Path]) -> Iterator[Finding]:
    left = [path for folder in folders for path in _walk(folder) if _UNFINISHED.fullmatch(path.name)]
    yield from _removable("left by runs that were killed", [path for path in left if not _is_in_use(path)])


def _beside(database: Path | None, cache: Path) -> Iterator[Finding]:
    if database is not None:
        made = sorted(database.parent.glob(f"{database.name}.new*"))
        yield from _locked_leftovers(f"{database}.lock", made, f"left by a process that was making {database.name}")
    fetched = sorted([*cache.glob("fetch-*"), *cache.glob("*.new")])
    yield from _locked_leftovers(str(cache / "lock"), fetched, "left by a download that was killed")


def _newest(home: Path) -> Finding | None:
    """What is wrong with the newest checkpoint in a folder of them; None if nothing is."""
    damaged: list[str] = []
    for path in sorted((path for path in home.iterdir() if _is_checkpoint(path)), key=_epoch, reverse=True):
        try:
            decode(read_folder(path, FILES))
        except DamagedError as error:
            if path.exists():  # a training that goes on has removed it otherwise
                damaged.append(f"{path} is damaged: {error}")
            continue
        if not damaged:
            return None
        return warning(some(damaged), f"Nothing to do: a training goes on from {path.name}, which is good")
    if not damaged:
        return None
    return problem(some(damaged), "None is left to go on from: begin that training anew")


def _is_checkpoint(path: Path) -> bool:
    return re.fullmatch(r"epoch-\d{4,}", path.name) is not None and path.parent.name == "checkpoints"


def _epoch(path: Path) -> int:
    return int(path.name.removeprefix("epoch-"))


def _walk(folder: Path) -> Iterator[Path]:
    """Every file and folder below, but what is within one that has a name of unfinished things."""
    for here, inner, files in os.walk(folder):
        yield from (Path(here, name) for name in [*inner, *files])
        inner[:] = [name for name in inner if not _UNFINISHED.fullmatch(name)]


def _is_in_use(path: Path) -> bool:
    """Whether the run that it belongs to goes on, or it changed a short while ago."""
    for folder in path.parents:
        if is_being_written(folder / JOURNAL_FILE):
            return True
    try:
        return time.time() - path.stat().st_mtime < IDLE_SECONDS
    except OSError:
        return True  # it is gone


def _locked_leftovers(lock: str, left: list[Path], why: str) -> Iterator[Finding]:
    if not left:
        return
    try:
        with FileLock(lock, timeout=0, mode=0o600):
            pass
    except Timeout:
        yield note(f"{lock} is held: a process is writing {some([path.name for path in left])} at this moment")
    except OSError as error:
        yield warning(f"{lock}: cannot be locked ({error.strerror or error})")
    else:
        yield from _removable(why, left, partial(FileLock, lock, timeout=0, mode=0o600))


def _removable(
    why: str, left: list[Path], alone: Callable[[], AbstractContextManager[object]] = nullcontext
) -> Iterator[Finding]:
    if left:
        takes = size(sum(map(_bytes, left)))
        yield warning(
            f"{plural(len(left), 'leftover')} ({takes}), {why}: {some([str(path) for path in left])}",
            "--fix removes them",
            partial(_remove, left, alone),
        )


def _remove(left: list[Path], alone: Callable[[], AbstractContextManager[object]]) -> str:
    with alone():
        for path in left:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return f"removed {some([str(path) for path in left])}"


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
