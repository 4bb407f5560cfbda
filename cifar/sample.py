"""A small made-up data set for trying things in seconds: five shapes in two families of colour, ten classes."""

from __future__ import annotations

import numpy as np

from cifar.config import NUM_CLASSES, TRAIN_IMAGES
from cifar.proof import Arrays

TRAIN = TRAIN_IMAGES["sample"]
TEST = 500
SEED = 20_090_408
NOISE = 30  # of 255


def make_sample() -> Arrays:
    """2,000 training and 500 test images, as many of each class; the same bytes on every machine.

    Class k has shape k // 2 (disc, square, ring, horizontal or vertical stripes), warm if k is even and cold if not.
    Place, size, colours and background vary and there is much noise, so that a network has something to learn.
    """
    # RandomState, because NumPy keeps its stream the same for good.
    random = np.random.RandomState(SEED)
    labels = np.concatenate([_balanced(random, TRAIN), _balanced(random, TEST)])
    images = _draw(random, labels)
    return Arrays(images[:TRAIN], labels[:TRAIN], images[TRAIN:], labels[TRAIN:])


def _balanced(random: np.random.RandomState, count: int) -> np.ndarray:
    return random.permutation(np.arange(count) % NUM_CLASSES).astype(np.uint8)


def _draw(random: np.random.RandomState, labels: np.ndarray) -> np.ndarray:
    """Images (n, 32, 32, 3) uint8 of these labels: integer arithmetic only, so that no machine rounds otherwise."""
    count = len(labels)

    def each(low: int, high: int, *shape: int) -> np.ndarray:
        return random.randint(low, high, (count, *shape), dtype=np.int64).astype(np.int16)  # a quarter of the memory

    masks = _masks(labels // 2, each(12, 20, 2), each(8, 12))
    paper = each(20, 110, 1) + each(-20, 21, 3)  # nearly grey, mostly darker than the shape
    ink = each(120, 200, 1) + each(-20, 21, 3)
    family = labels % 2  # warm: more red than blue; cold: the other way round; some hardly either
    tint = each(0, 100)
    ink[np.arange(count), 2 * family] += tint
    ink[np.arange(count), 2 - 2 * family] -= tint
    images = np.where(masks[..., None], ink[:, None, None], paper[:, None, None])
    noise = each(-NOISE, NOISE + 1, 32, 32, 3)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def _masks(shapes: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Where the shape of each image is: (n, 32, 32) bool."""
    axis = np.arange(32, dtype=np.int16)
    down = np.abs(axis[None, :, None] - centres[:, 0, None, None])
    across = np.abs(axis[None, None, :] - centres[:, 1, None, None])
    radius = radii[:, None, None]
    square = np.maximum(down, across) <= radius
    disc = down**2 + across**2 <= radius**2
    ring = disc & (4 * (down**2 + across**2) > radius**2)
    forms = np.stack([disc, square, ring, square & (down // 2 % 2 == 0), square & (across // 2 % 2 == 0)])
    return forms[shapes, np.arange(len(shapes))]
