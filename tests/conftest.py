"""What several tests share: tiny data, TensorFlow on the CPU, an empty database, PostgreSQL, a server with users."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from cifar import compute
from cifar.config import ComputeConfig, DataConfig
from cifar.data import Dataset, Split
from tests.services import postgres
from tests.services.server import Server, running
from tests.soak.kills import empty_database


@pytest.fixture(scope="session", autouse=True)
def stops_are_heard() -> None:
    """A suite that a script starts in the background, or with nohup, inherits that Ctrl-C, or SIGHUP, is ignored.

    So would all that it starts.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def signals_arrive() -> Iterator[None]:
    """What a signal raises is lost where Python is just looking for garbage and JAX, which takes part, is imported."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def what_is_there_stays() -> None:
    """Half a million objects of libraries are not looked through whenever Keras has garbage collected."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session")
def made_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs, to copy. Its migrations take seconds: it is made once for all processes of a suite."""
    place = tmp_path_factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place
    with FileLock(place / "made.lock"):
        made = place / "made" / "mlflow.db"
        return made if made.exists() else empty_database(made.parent)


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server of our own; where it is not installed, the tests that need it say what they leave out."""
    if postgres.programs() is None:
        pytest.skip(f"LEFT OUT, PostgreSQL is not tested: {postgres.MISSING}")
    with postgres.cluster() as started:
        yield started


@pytest.fixture(scope="session")
def team_server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """`python -m experiments.ui --auth`, started once: on PostgreSQL, or on SQLite where that is not installed."""
    store = "sqlite:///mlflow.db"
    if postgres.programs() is not None:
        store = request.getfixturevalue("cluster").new_database()
    with running(tmp_path_factory.mktemp("server"), "--auth", store=store) as server:
        yield server


LONG = ("test_sweeps_trained.py", "test_end_to_end.py", "test_starts.py", "test_stops.py", "test_final.py")
"""Files that take longest: begun first, so that no process is left with one of them in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files are handed out in this order (`--no-loadscope-reorder`)."""
    items.sort(key=lambda item: item.path.name not in LONG)
