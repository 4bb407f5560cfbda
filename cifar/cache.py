"""The proven arrays on disk: written once, atomically, under a lock; read memory-mapped, without hashing them again.

Beside the arrays lies `proof.json`: the SHA-256 of each, and the size and time of its file when that was proven. A file
whose size and time are still the same is trusted; any other is hashed again.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from cifar.notices import PATIENCE, say
from cifar.proof import Arrays, DataError, Proof, refused

Fetched = tuple[Arrays, str]
"""Arrays and, in plain words, where they came from."""

MANIFEST = "proof.json"
_TEMPORARY = "fetch-"


def cache_root(named: str | None) -> Path:
    """The folder of all data sets: the one that the user names, or cifar-experiments in the user's cache (XDG)."""
    if named is not None:
        return Path(named).expanduser().absolute()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification has relative paths ignored.
    return (xdg if xdg.is_absolute() else Path("~/.cache").expanduser()) / "cifar-experiments"


def cached(folder: Path, proof: Proof, fetch: Callable[[Path], Fetched]) -> Fetched:
    """The arrays in a cache folder, memory-mapped and read-only; fetched first when they are not there or damaged.

    Processes that come at the same time wait for the one that fetches. `fetch` gets an empty temporary folder of its
    own inside the cache, which is removed afterwards, and returns proven arrays.

    Raises:
        DataError: the cache cannot be written; or what `fetch` raised.
    """
    ready = _trusted(folder, proof)
    if ready:
        return ready
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            return _trusted(folder, proof) or _proven_again(folder, proof) or _filled(folder, proof, fetch)
    except OSError as error:
        if ready := _proven_again(folder, proof):  # it cannot be written, and need not be
            return ready
        hint = "a folder with 500 MB to spare that you can write, named with data.cache"
        raise refused(f"the cache {folder}", f"cannot be used ({error})", hint) from None


def prove(folder: Path, proof: Proof) -> bool:
    """Whether the arrays are in a cache folder, each byte of them; nothing is fetched or written.

    Raises:
        DataError: they are there, and are not what they should be.
    """
    if not any(_path(folder, name).exists() for name in Arrays._fields):
        return False
    proof.check(_open(folder), folder)
    return True


@contextmanager
def _locked(path: Path) -> Any:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        say("waiting for another process that fetches the data")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


# --- reading ------------------------------------------------------------------------------------


def _trusted(folder: Path, proof: Proof) -> Fetched | None:
    """The arrays whose files are still what they were when they were proven."""
    with suppress(OSError, DataError):
        manifest = _manifest(folder)
        if manifest.get("files") == _files(folder, proof):
            return _open(folder), f"cache, from {manifest.get('source')}"
    return None


def _proven_again(folder: Path, proof: Proof) -> Fetched | None:
    """The arrays whose files changed their times only, as a copied cache's do."""
    if not any(_path(folder, name).exists() for name in Arrays._fields):
        return None
    try:
        arrays = _open(folder)
        proof.check(arrays, "cache")
    except DataError as error:
        say(f"the cache {folder} is damaged ({error}); fetching the data again")
        return None
    source = str(_manifest(folder).get("source", "a copied cache"))
    with suppress(OSError):  # a cache that is only readable is proven at each start
        _write_manifest(folder, proof, source)
    return arrays, f"cache, from {source}"


def _open(folder: Path) -> Arrays:
    try:
        return Arrays(*(np.load(_path(folder, name), mmap_mode="r") for name in Arrays._fields))
    except (OSError, EOFError, ValueError) as error:
        raise refused("cache", str(error)) from None


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _files(folder: Path, proof: Proof) -> dict[str, dict[str, Any]]:
    def entry(name: str) -> dict[str, Any]:
        status = _path(folder, name).stat()
        return {"sha256": proof.hashes[name], "size": status.st_size, "mtime_ns": status.st_mtime_ns}

    return {name: entry(name) for name in Arrays._fields}


# --- writing ------------------------------------------------------------------------------------


def _filled(folder: Path, proof: Proof, fetch: Callable[[Path], Fetched]) -> Fetched:
    for leftover in folder.glob(f"{_TEMPORARY}*"):  # of a process that was killed: the lock is ours
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder))  # made with mode 0700
    try:
        arrays, source = fetch(temporary)
        for name, array in arrays._asdict().items():
            _replace(_path(folder, name), temporary, partial(np.save, arr=array))
        _write_manifest(folder, proof, source)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _open(folder), source


def _write_manifest(folder: Path, proof: Proof, source: str) -> None:
    content = json.dumps({"source": source, "files": _files(folder, proof)}, indent=2)
    _replace(folder / MANIFEST, folder, lambda file: file.write(content.encode()))


def _replace(target: Path, beside: Path, write: Callable[[Any], object]) -> None:
    """Write a file under another name, make it durable, then give it its own name: whole or not at all."""
    temporary = beside / f"{target.name}.new"
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
