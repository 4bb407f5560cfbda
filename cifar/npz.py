"""CIFAR-10 in one npz file, checked from its headers before any memory is taken."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from cifar.proof import Arrays, Proof, as_labels, refused

KEYS = {"train_images": "x_train", "train_labels": "y_train", "test_images": "x_test", "test_labels": "y_test"}
"""Our names and those that Keras gives to the same arrays."""

_DAMAGED = (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, RuntimeError)


def read_npz(path: Path, proof: Proof, where: object) -> Arrays:
    """The arrays x_train, y_train, x_test, y_test; labels may be (n,) or (n, 1), of any whole-number type.

    Raises:
        DataError: an array is missing, damaged, pickled, or of the wrong shape or type.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return Arrays(*(_read_member(archive, name, proof, where) for name in Arrays._fields))
    except _DAMAGED as error:
        raise refused(where, f"cut short or damaged ({error})", "an intact npz") from None


def _read_member(archive: zipfile.ZipFile, name: str, proof: Proof, where: object) -> np.ndarray:
    key = KEYS[name]
    if f"{key}.npy" not in archive.namelist():
        raise refused(where, f"no array {key}", "arrays " + ", ".join(KEYS.values()))
    here = f"{where}: {key}"
    with archive.open(f"{key}.npy") as stream:
        _check_header(stream, name, proof, here)
    with archive.open(f"{key}.npy") as stream:
        array = npy.read_array(stream, allow_pickle=False)
    return as_labels(array, here) if name.endswith("labels") else np.ascontiguousarray(array)


def _check_header(stream: IO[bytes], name: str, proof: Proof, where: str) -> None:
    version = npy.read_magic(stream)
    if version != (1, 0):  # a later one may declare a header of 4 GB
        raise refused(where, f"npy format {version}", "(1, 0), as of any plain array")
    shape, _fortran, dtype = npy.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise refused(where, "pickled Python objects", f"a plain array of shape {proof.shape(name)}")
    if name.endswith("images"):
        proof.check_shape(name, shape, dtype, where)
    elif dtype.kind not in "iu" or shape not in (proof.shape(name), (*proof.shape(name), 1)):
        raise refused(where, f"{dtype} {shape}", f"whole numbers {proof.shape(name)}")
