"""What several tests share: tiny data, and a process set up for TensorFlow on the CPU."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from cifar import compute
from cifar.config import ComputeConfig, DataConfig
from cifar.data import Dataset, Split


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """A suite that a script starts in the background inherits an ignored Ctrl-C, and so would all that it starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tensorflow_on_cpu() -> None:
    """Set up this process for the TensorFlow backend."""
    compute.prepare(ComputeConfig(device="cpu"))


def made_up_split(images: int, seed: int) -> Split:
    """Images whose brightness tells their class, with noise: easy to learn something from."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(images) % 10).astype(np.uint8)
    noise = rng.integers(0, 30, (images, 32, 32, 3))
    return Split((noise + 20 * labels[:, None, None, None]).astype(np.uint8), labels)


@pytest.fixture(scope="session")
def tiny_dataset() -> Dataset:
    """70 training images (batches of 32 leave a small last one), 20 for validation, 20 for testing."""
    return Dataset(made_up_split(70, 0), made_up_split(20, 1), made_up_split(20, 2), "made up", "0" * 64)


@pytest.fixture(scope="session")
def tiny_data_config() -> DataConfig:
    """The configuration that goes with `tiny_dataset`."""
    return DataConfig(name="sample", train_size=70, validation_size=20)
