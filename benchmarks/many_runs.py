"""A store of many made-up runs, as this project records them: written straight into the database, in seconds."""

from __future__ import annotations

import os
import random
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from cifar.config import SGD, Model1Config, Model2Config, Model3Config, ModelConfig, OptimizerConfig, RMSprop, RunConfig
from cifar.fields import flatten
from experiments.tracking.config import TrackingConfig
from experiments.tracking.spelling import spelled
from experiments.tracking.store import open_store

SEEDS = 5
EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second")
BEGAN = 1_790_000_000_000
"""Milliseconds since 1970, of the first run; the others follow, a second apart."""

TOP = {"model1": 0.62, "model2": 0.76, "model3": 0.70}
PARAMETERS = {"model1": 181_162, "model2": 1_250_858, "model3": 4_210_090}
NETWORKS: tuple[tuple[ModelConfig, type[OptimizerConfig]], ...] = (
    (Model1Config(), RMSprop),
    (Model2Config(), RMSprop),
    (Model3Config(), SGD),
)
TAGS = {
    "mlflow.source.git.commit": "0123456789abcdef0123456789abcdef01234567",
    "mlflow.source.type": "LOCAL",
    "git.dirty": "false",
    "command": "python -m experiments.run",
    "host": "made-up",
    "cpu": "none",
    "device": "cpu: none",
    "data.source": "made up",
    "stop_reason": "ended",
    "test_evaluations": "1",
} | {f"version.{name}": "1.0" for name in ("tensorflow", "keras", "jax", "keras-tuner", "mlflow", "numpy")}


def make(folder: Path, runs: int, epochs: int) -> Path:
    """A store in a folder, filled as `fill` does it; returns the path of its database."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        open_store(TrackingConfig())
    finally:
        os.chdir(before)
    fill(folder / "mlflow.db", runs, epochs)
    return folder / "mlflow.db"


def fill(path: Path, runs: int, epochs: int) -> None:
    """Add runs of three networks, five seeds a setting, to a database that has the MLflow experiment for them."""
    rng = random.Random(0)
    with closing(sqlite3.connect(path)) as database:
        (experiment,) = database.execute(
            "SELECT experiment_id FROM experiments WHERE name = ?", [TrackingConfig().experiment]
        ).fetchone()
        for number in range(runs):
            _insert(database, experiment, number, epochs, rng)
        database.commit()


def configuration(number: int) -> RunConfig:
    """The settings of a run: networks take turns, each with a learning rate of its own for five seeds."""
    setting, seed = divmod(number, SEEDS)
    model, optimizer = NETWORKS[setting % len(NETWORKS)]
    rate = round(1e-4 * 1.02 ** (setting // len(NETWORKS) % 300), 8)
    return RunConfig(model=model, optimizer=optimizer(learning_rate=rate), seed=seed)


def _insert(database: sqlite3.Connection, experiment: Any, number: int, epochs: int, rng: random.Random) -> None:
    config, run_id, began = configuration(number), uuid.UUID(int=rng.getrandbits(128)).hex, BEGAN + 1000 * number
    name = f"{config.model.name}-{config.optimizer.name}-seed{config.seed}"
    params = {key: spelled(value) for key, value in flatten(config).items()}
    curve = list(_curve(TOP[config.model.name], epochs, rng))
    run = {
        "run_uuid": run_id,
        "name": name,
        "source_type": "UNKNOWN",
        "user_id": "nobody",
        "status": "FINISHED",
        "start_time": began,
        "end_time": began + 60_000,
        "lifecycle_stage": "active",
        "artifact_uri": f"mlruns/cifar10/{run_id}/artifacts",
        "experiment_id": experiment,
    }
    _many(
        database,
        "runs",
        tuple(run),
        [tuple(run.values())],
    )
    for table, values in (("params", params), ("tags", TAGS | {"mlflow.runName": name})):
        _many(database, table, ("key", "value", "run_uuid"), [(*pair, run_id) for pair in values.items()])
    measured = [
        (metric, value, began + 1000 * epoch, run_id, epoch, 0)
        for epoch, values in enumerate(curve, start=1)
        for metric, value in zip(EPOCH_METRICS, values, strict=True)
    ]
    last = _results(config.model.name, [values[3] for values in curve], rng)
    measured += [(metric, value, began + 1000 * epochs, run_id, epochs, 0) for metric, value in last.items()]
    columns = ("key", "value", "timestamp", "run_uuid", "step", "is_nan")
    _many(database, "metrics", columns, measured)
    _many(database, "latest_metrics", columns, [row for row in measured if row[4] == epochs])


def _many(database: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * len(columns))
    database.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def _curve(top: float, epochs: int, rng: random.Random) -> Iterator[tuple[float, ...]]:
    top += rng.gauss(0, 0.006)
    for epoch in range(1, epochs + 1):
        accuracy = top * (1 - 0.6 * 0.75**epoch)
        noise = rng.gauss(0, 0.004)
        yield 2.3 * (1 - accuracy), accuracy, 2.4 * (1 - accuracy), accuracy + noise, 1e-3, 4.0, 11_000.0


def _results(model: str, validation: Sequence[float], rng: random.Random) -> dict[str, float]:
    best = max(range(len(validation)), key=lambda epoch: validation[epoch])
    return {
        "test_loss": 2.4 * (1 - validation[-1]),
        "test_accuracy": validation[-1] + rng.gauss(0, 0.004),
        "best_val_accuracy": validation[best],
        "best_epoch": best + 1.0,
        "epochs_run": float(len(validation)),
        "training_seconds": PARAMETERS[model] / 1e4 + rng.random(),
        "parameters": float(PARAMETERS[model]),
    }
