"""What tests of the commands share: a copy of a tracking database, and a training that takes a moment."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, chdir, contextmanager, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import absl.logging
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from experiments.run import main
from experiments.tracking import completion, courier, session
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store, open_store
from tests.services.mlflow_server import Proxy, Server, running
from tests.spared import leave_pictures_empty, work_out_once

CONF = Path(__file__).resolve().parents[2] / "conf"

TINY = (
    "data=sample",
    "data.train_size=64",
    "data.validation_size=20",
    "data.test_size=20",
    "model.filters=2",
    "model.dense_units=4",
)


@pytest.fixture(scope="session", autouse=True)
def worked_out_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        work_out_once(patch.setattr)
        yield


@pytest.fixture(scope="module")
def empty_pictures() -> Iterator[None]:
    """For tests that look at no picture of a run."""
    with pytest.MonkeyPatch.context() as patch:
        leave_pictures_empty(patch.setattr)
        yield


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Overrides for a network and data so small that an epoch takes milliseconds."""
    return TINY


@pytest.fixture(scope="session")
def composed() -> Callable[..., DictConfig]:
    """Makes the configuration that Hydra would hand to a tiny job on the CPU, with more overrides."""

    def make(*overrides: str) -> DictConfig:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("config", [*TINY, "compute=cpu", "training.epochs=2", *overrides])

    return make


@pytest.fixture(scope="session")
def exit_code() -> Callable[..., int]:
    """Calls `python -m experiments.run` with these arguments, but in this process: seconds less."""

    def run(*argv: str) -> int:
        code: object
        with pytest.MonkeyPatch.context() as patch, own_logging():
            patch.setattr(sys, "argv", ["run"])  # Hydra reads the command line there
            # Hydra replaces all log handlers; absl's (TensorFlow's) would close the stderr that pytest gave it.
            patch.setattr(absl.logging.PythonHandler, "close", lambda handler: None)
            try:
                code = main(list(argv))
            except SystemExit as error:
                code = error.code
        assert isinstance(code, int)
        return code

    return run


@pytest.fixture(scope="session")
def new_home(
    tensorflow_on_cpu: None,
    tmp_path_factory: pytest.TempPathFactory,
    exit_code: Callable[..., int],
    made_database: Path,
) -> Callable[..., Path]:
    """Makes a working folder with finished tiny runs of one epoch, one for each tuple of more overrides."""

    def make(*runs: tuple[str, ...]) -> Path:
        home = tmp_path_factory.mktemp("home")
        shutil.copy(made_database, home / "mlflow.db")
        with chdir(home):
            for typed in runs:
                assert exit_code(*TINY, "compute=cpu", "training.epochs=1", *typed) == 0
        return home

    return make


@contextmanager
def own_logging() -> Iterator[None]:
    """Puts back the log handlers as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:], root.level = handlers, level


@contextmanager
def _unread() -> Iterator[None]:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as out, redirect_stdout(out):  # noqa: PTH123
        yield


@pytest.fixture
def unread() -> AbstractContextManager[None]:
    """Within, what is printed goes to a pipe whose reader is gone, as after `| head -1`."""
    return _unread()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with none of the user's tracking settings."""
    monkeypatch.chdir(tmp_path)
    names = ("TRACKING_URI", "RUN_ID", "EXPERIMENT_NAME", "EXPERIMENT_ID", "HTTP_REQUEST_TIMEOUT")
    for name in (*names, "HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.setenv(f"MLFLOW_{name}", "")  # noted, so that what a test sets is taken back
        monkeypatch.delenv(f"MLFLOW_{name}")
    return tmp_path


@pytest.fixture
def database(project: Path, made_database: Path) -> Path:
    """The path of a database in the working folder."""
    return Path(shutil.copy(made_database, project / "mlflow.db"))


@pytest.fixture
def new_recorder(project: Path) -> Callable[..., Recorder]:
    """Makes the recorder of a run, each in a folder of its own."""
    numbers = count(1)

    def make(config: TrackingConfig | None = None, *arguments: Any, **named: Any) -> Recorder:
        return Recorder(config or TrackingConfig(), project / "outputs" / str(next(numbers)), *arguments, **named)

    return make


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real MLflow server, started once."""
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """What a run takes for the server."""
    proxy = Proxy(server).open()
    yield proxy
    proxy.close()


@pytest.fixture
def nothing_but_403() -> Iterator[str]:
    """The address of a server that refuses everybody."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as listening:
        Thread(target=listening.serve_forever, args=(0.02,)).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


@pytest.fixture
def impatient(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting and pauses shorter than a user's; what a user waits for is measured in tests/soak."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # a session shortens it, for all that comes after
    monkeypatch.setattr(session, "REQUEST_SECONDS", 2)
    monkeypatch.setattr(session, "OPENING_SECONDS", 2.5)
    monkeypatch.setattr(courier, "STEP_SECONDS", 3.0)
    monkeypatch.setattr(courier, "PAUSES", (0.1, 0.5))
    monkeypatch.setattr(completion, "PAUSE", 0.1)


@pytest.fixture
def store(database: Path) -> Store:
    return open_store(TrackingConfig())


@pytest.fixture
def network(tensorflow_on_cpu: None) -> Any:
    """A network of Keras that has not learned anything."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 3), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.AveragePooling2D(4),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
