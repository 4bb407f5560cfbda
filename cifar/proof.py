"""The proof that four arrays are CIFAR-10: their shapes, and a SHA-256 over the bytes of each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cifar.config import IMAGE_SHAPE, NUM_CLASSES


class DataError(Exception):
    """Data that cannot be used, in one line: which file, what was found, what was expected, what to do."""


def refused(where: object, found: str, expected: str = "") -> DataError:
    """The error for a file or a part of it: one line, whatever line breaks a cause may bring along."""
    line = f"{where}: {found}" + (f"; expected {expected}" if expected else "")
    return DataError(" ".join(line.split()))


class Arrays(NamedTuple):
    """A data set whole: images (n, 32, 32, 3) uint8 RGB, labels (n,) uint8."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


@dataclass(frozen=True)
class Proof:
    """How many images there are and the SHA-256 of each C-contiguous uint8 array, in hexadecimal."""

    train: int
    test: int
    train_images: str
    train_labels: str
    test_images: str
    test_labels: str

    @classmethod
    def of(cls, arrays: Arrays) -> Proof:
        """The proof that exactly these arrays would pass."""
        return cls(len(arrays.train_labels), len(arrays.test_labels), *map(sha256, arrays))

    @property
    def hashes(self) -> dict[str, str]:
        """The four hashes by the name of their array."""
        return {name: getattr(self, name) for name in Arrays._fields}

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape that the array of this name must have."""
        count = self.train if name.startswith("train") else self.test
        return (count, *IMAGE_SHAPE) if name.endswith("images") else (count,)

    def check(self, arrays: Arrays, where: object) -> None:
        """Pass the true arrays and no others.

        Raises:
            DataError: names the first array that differs, with both shapes or both hashes.
        """
        for name, array in arrays._asdict().items():
            self.check_shape(name, array.shape, array.dtype, where)
            found = sha256(array)
            if found != self.hashes[name]:
                raise refused(f"{where}: {name}", f"sha256 {found}", self.hashes[name])

    def check_shape(self, name: str, shape: tuple[int, ...], dtype: np.dtype, where: object) -> None:
        """Refuse what cannot be right before any of it is read.

        Raises:
            DataError: the shape or the type is not that of the true array.
        """
        if shape != self.shape(name) or dtype != np.uint8:
            raise refused(f"{where}: {name}", f"{dtype} {shape}", f"uint8 {self.shape(name)}")


def sha256(array: np.ndarray) -> str:
    """The SHA-256 of an array's bytes in C order, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def as_labels(values: Any, where: object) -> np.ndarray:
    """Labels (n,) uint8 from any list or array of whole numbers 0 to 9, of shape (n,) or (n, 1).

    Raises:
        DataError: something else is in there, such as 10, 0.5 or text.
    """
    expected = f"whole numbers 0 to {NUM_CLASSES - 1}, one for each image"
    try:
        labels = np.asarray(values)
    except (ValueError, OverflowError, TypeError) as error:
        raise refused(where, f"no list of labels ({error})", expected) from None
    if labels.dtype.kind not in "iu" or labels.size == 0 or labels.shape not in ((labels.size,), (labels.size, 1)):
        raise refused(where, f"labels of type {labels.dtype} and shape {labels.shape}", expected)
    for extreme in (labels.min(), labels.max()):
        if not 0 <= extreme < NUM_CLASSES:
            raise refused(where, f"label {extreme}", expected)
    return labels.reshape(-1).astype(np.uint8)


CIFAR10 = Proof(
    train=50_000,
    test=10_000,
    train_images="47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
    train_labels="2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
    test_images="f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
    test_labels="cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
)
"""The real one: bit-equal to images read from the original batches, and to the published means and deviations."""
