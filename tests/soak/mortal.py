"""Run by kills.py: imports TensorFlow and MLflow once, then forks for each line of JSON on its standard input.

A line: {"folder": where, "argv": a command line of `experiments.run`, or null for a training alone, "fault": [a name of
FAULTS, n] or null, "seconds": until it is killed, or null, "signal": what comes at the fault}. The answer, one line:
{"code": how it ended, "seconds": how long it lived}. A training alone that goes on leaves `resumed.txt` in its folder,
and `result.json` at its end; a command `faults.json` and `output.txt`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import importlib_metadata

from cifar import compute, durable, training
from cifar.checkpoints import Checkpoints
from cifar.config import ComputeConfig, DataConfig, Model1Config, RMSprop, RunConfig, TrainingConfig
from cifar.data import Dataset, load_dataset
from experiments import commandline, record
from experiments.run import main as run
from experiments.tracking import session
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import import_mlflow
from tests.soak.kills import RESUMED
from tests.spared import leave_pictures_empty, work_out_once

CONFIG = RunConfig(
    model=Model1Config(filters=4, dense_units=16),
    optimizer=RMSprop(learning_rate=3e-3),
    data=DataConfig(name="sample", train_size=400, validation_size=100, test_size=20),
    training=TrainingConfig(epochs=6, restore_best_weights=True),
    compute=ComputeConfig(device="cpu"),
)
"""Six epochs with dropout."""

FAULTS = ("trained", "told", "written", "half written", "recorded", "fsync", "rename", "unlink")
"""Where a training can be killed: when an epoch is trained and not kept yet; when the listener, or the record, is told
of it; before a file of a checkpoint is written, or in the midst of it; before an artifact is recorded; before one of
these calls of the system."""

LIMIT = 100
"""Seconds after which a training that hangs is ended."""


class Log:
    """A listener that writes down where the training went on from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_resume(self, history: list[dict[str, float]], warnings: list[str]) -> None:
        assert warnings == [], "a kill never damages a checkpoint"
        (self.folder / RESUMED).write_text(str(len(history)), encoding="utf-8")

    def on_step(self, epoch: int, step: int) -> None: ...

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        count("told")


PRELOADED = (
    "mlflow.keras",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "alembic.command",
    "sqlalchemy.dialects.sqlite",
    "matplotlib.backends.backend_agg",
    "cifar.figures",
    "cifar.engines.tensorflow",
)
"""What takes seconds to import: the forks need not do it again."""


def main() -> None:
    """Answer every line."""
    import_mlflow()
    for name in PRELOADED:
        import_module(name)
    work_out_once()
    leave_pictures_empty()
    record.packages()
    importlib_metadata.packages_distributions()
    commandline.check(["data=sample"])  # loads Hydra's plugins
    dataset = load_dataset(CONFIG.data)
    for line in sys.stdin:
        job = json.loads(line)
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            arm(*(job["fault"] or ("", 0)), job["signal"])
            if job["argv"] is not None:
                command(Path(job["folder"]), job["argv"])
            live(dataset, Path(job["folder"]))
        if job["seconds"] is not None:
            time.sleep(job["seconds"])
            os.kill(child, signal.SIGKILL)  # nobody waited for it yet: the number is still its own
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps({"code": code, "seconds": time.monotonic() - started}), flush=True)


def command(folder: Path, argv: list[str]) -> NoReturn:
    """A command as a user types it in this folder."""
    output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(folder)
    sys.argv = ["run"]
    code: Any = 1
    try:
        code = run(argv)
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    (folder / "faults.json").write_text(json.dumps(counts), encoding="utf-8")
    sys.stdout.flush()
    os._exit(code)


def live(dataset: Dataset, folder: Path) -> NoReturn:
    """Train, die where it is said, or leave the result."""
    signal.alarm(LIMIT)
    try:
        compute.prepare(CONFIG.compute)
        trained = training.train(CONFIG, dataset, Log(folder), Checkpoints(folder / "checkpoints"))
        result = {
            "weights": hashlib.sha256(b"".join(w.tobytes() for w in trained.model.get_weights())).hexdigest(),
            "history": [timeless(metrics) for metrics in trained.history],
            "best_epoch": trained.best_epoch,
            "faults": counts,
        }
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def timeless(metrics: dict[str, float]) -> dict[str, float]:
    """The metrics that a resumed training has to repeat."""
    return {name: value for name, value in metrics.items() if name not in ("seconds", "images_per_second")}


counts: Counter[str] = Counter()
deadly: tuple[str, int] = ("", 0)
blow: int = signal.SIGKILL


def arm(fault: str, number: int, signum: int) -> None:
    """Count the faults, and have this signal come at the n-th of this name."""
    global deadly, blow
    assert fault in ("", *FAULTS)
    deadly, blow = (fault, number), signum
    for name in ("fsync", "rename", "unlink"):
        setattr(os, name, counted(name, getattr(os, name)))
    Recorder.log_epoch = counted("told", Recorder.log_epoch)  # type: ignore[method-assign]
    session.keep = counted("recorded", session.keep)
    training.refuse_broken_weights = counted("trained", training.refuse_broken_weights)
    write_file = durable.write_file

    def write(path: Path, content: bytes) -> None:
        count("written")
        if is_next("half written"):
            path.write_bytes(content[: len(content) // 2])
        count("half written")
        write_file(path, content)

    durable.write_file = write


def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which may be the death of this process."""

    def counting(*arguments: Any, **named: Any) -> Any:
        count(name)
        return call(*arguments, **named)

    return counting


def is_next(name: str) -> bool:
    """Whether the next fault of this name is deadly."""
    return deadly == (name, counts[name] + 1)


def count(name: str) -> None:
    """Die if it is time; `kill -9` leaves no time for anything."""
    if is_next(name):
        os.kill(os.getpid(), blow)
    counts[name] += 1


if __name__ == "__main__":
    main()
