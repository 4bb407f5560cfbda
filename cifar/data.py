"""Arrays -> train, validation and test images: which are held out, which are used, and a digest that says so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cifar.config import NUM_CLASSES, DataConfig
from cifar.proof import CIFAR10, Arrays, DataError, Proof
from cifar.sample import make_sample
from cifar.sources import SOURCES, Source, load_cifar10

__all__ = ["DataError", "Dataset", "Split", "load_dataset", "split_indices"]


@dataclass(frozen=True, eq=False)
class Split:
    """Images (n, 32, 32, 3) uint8 RGB and their labels (n,) uint8, contiguous in memory."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def with_mirrored(split: Split) -> Split:
    """All images, then all of them mirrored, left to right."""
    mirrored = split.images[:, :, ::-1]
    return Split(np.concatenate([split.images, mirrored]), np.concatenate([split.labels, split.labels]))


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a run trains on, chooses by (`validation`, None if nothing is held out) and is tested on.

    `source` says in plain words where the images came from. `digest` (SHA-256, hexadecimal) is equal for two data
    sets only if every image and label of every split is.
    """

    train: Split
    validation: Split | None
    test: Split
    source: str
    digest: str


def load_dataset(config: DataConfig, *, sources: Sequence[Source] = SOURCES, proof: Proof = CIFAR10) -> Dataset:
    """The images of a run: CIFAR-10, proven, or the made-up sample.

    Raises:
        DataError: the data cannot be had, or are not what they should be.
    """
    if config.name == "sample":
        arrays, source = make_sample(), "made up"
        proof = Proof.of(arrays)
    else:
        arrays, source = load_cifar10(config.path, config.cache, sources=sources, proof=proof)
    return split(arrays, proof, source, config)


def split(arrays: Arrays, proof: Proof, source: str, config: DataConfig) -> Dataset:
    """Gather the splits of a configuration from proven arrays, as ordinary arrays in the data set's own order."""
    train, validation = split_indices(arrays.train_labels, config)
    test = np.arange(len(arrays.test_labels))[: config.test_size]
    return Dataset(
        train=_gather(arrays.train_images, arrays.train_labels, train),
        validation=_gather(arrays.train_images, arrays.train_labels, validation) if len(validation) else None,
        test=_gather(arrays.test_images, arrays.test_labels, test),
        source=source,
        digest=_digest(proof, train, validation, test),
    )


def split_indices(labels: np.ndarray, config: DataConfig) -> tuple[np.ndarray, np.ndarray]:
    """Which images train and which validate: indices into the training images, ascending.

    The seed puts all images in an order. The first of each class validate, the others train; `train_size` keeps the
    first N of those, so that a larger N adds images and takes none away, nor does it touch validation.
    """
    # RandomState, because NumPy keeps its stream the same for good: a seed names one split in every version.
    order = np.random.RandomState(config.split_seed).permutation(len(labels))
    held_out = np.zeros(len(labels), bool)
    for label, quota in enumerate(_quotas(labels, config.validation_size)):
        held_out[order[labels[order] == label][:quota]] = True
    train = order[~held_out[order]][: config.train_size]
    return np.sort(train), np.flatnonzero(held_out)


def _quotas(labels: np.ndarray, size: int) -> np.ndarray:
    """How many of each class to hold out: their share, the rest to the largest remainders (then the lowest class)."""
    counts = np.bincount(labels, minlength=NUM_CLASSES).astype(np.int64)
    quotas, remainders = np.divmod(size * counts, counts.sum())
    largest = np.argsort(-remainders, kind="stable")[: size - quotas.sum()]
    quotas[largest] += 1
    return quotas


def _gather(images: np.ndarray, labels: np.ndarray, indices: np.ndarray) -> Split:
    # A memory-mapped array would stay one under indexing; training wants ordinary memory.
    return Split(np.asarray(images)[indices], np.asarray(labels)[indices])


def _digest(proof: Proof, *splits: np.ndarray) -> str:
    """Of the arrays' proven hashes and the indices into them, not of the images: hashing those takes longer."""
    digest = hashlib.sha256("".join(proof.hashes.values()).encode())
    for indices in splits:
        digest.update(len(indices).to_bytes(8, "little") + indices.astype("<i8").tobytes())
    return digest.hexdigest()
