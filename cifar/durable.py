"""A folder of files that is there whole or not at all, and can prove that its bytes are those that were written."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

MANIFEST = "SHA256SUMS"
"""Names the SHA-256 of every other file, in the form that `sha256sum -c SHA256SUMS` checks."""

_UNFINISHED = "unfinished-"


class DamagedError(Exception):
    """A folder is not as it was written; says which file, in one line."""


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder of this name, in place of one that has it. It outlives a crash and a power failure.

    Folders are made with mode 0700, files with 0600. What writers that were killed left beside it is removed. A folder
    that another one replaces is gone for a moment, in which a crash leaves neither: a new name has no such moment.

    Raises:
        OSError: it cannot be written; nothing of it is left, and what had the name before is as it was.
    """
    _make_private(target.parent)
    _sweep(target.parent)
    temporary = _temporary(target.parent)
    try:
        for name, content in {**files, MANIFEST: _manifest(files)}.items():
            write_file(temporary / name, content)
        _sync(temporary)
        _put(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(target.parent)


def read_folder(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The content of files by their name, proven.

    Raises:
        DamagedError: a file, or the manifest, is missing or not what was written.
    """
    files = {name: _read(folder / name) for name in names}
    found, promised = _manifest(files), _read(folder / MANIFEST)
    for name, line in zip(files, found.splitlines(), strict=True):
        if line not in promised.splitlines():
            raise DamagedError(f"{name} ({len(files[name]):,} bytes) is not what {MANIFEST} says was written")
    if found != promised:
        raise DamagedError(f"{MANIFEST} names other files than {', '.join(files)}")
    return files


def remove_folder(folder: Path) -> None:
    """Remove a folder, if there is one, so that no half of it is ever seen under its name."""
    if folder.exists():
        aside = _temporary(folder.parent)
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)  # what resists is swept up by the next writer


def write_file(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, and have the disk confirm it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def room(size: int, folder: Path) -> str:
    """How much was to be written, beside what is free there: 16,842,000 bytes, 4,096 are free."""
    try:
        return f"{size:,} bytes, {shutil.disk_usage(folder).free:,} are free"
    except OSError:
        return f"{size:,} bytes"


def _put(temporary: Path, target: Path) -> None:
    """Give a folder its name; one that had it goes only when that is done."""
    if not target.exists():
        temporary.rename(target)
        return
    aside = _temporary(target.parent)
    target.rename(aside)
    try:
        temporary.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)  # what resists is swept up by the next writer


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DamagedError(f"{path.name} is missing") from None
    except OSError as error:
        raise DamagedError(f"{path.name} cannot be read ({error.strerror})") from None


def _make_private(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync(folder.parent)


def _sweep(folder: Path) -> None:
    for leftover in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _temporary(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))  # made with mode 0700


def _sync(folder: Path) -> None:
    """Have the disk confirm which names a folder holds."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
