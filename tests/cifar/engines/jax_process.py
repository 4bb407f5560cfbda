"""Run by test_jax.py in a process of its own: trains with the JAX engine where TensorFlow cannot be imported."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cifar import compute
from cifar.config import SGD, ComputeConfig, DataConfig, Model3Config, RunConfig, TrainingConfig
from cifar.data import Split


def main(folder: Path) -> None:
    """Read what TensorFlow started from, write what JAX makes of it."""
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # any import of it fails
    os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # compiles in half the time
    compute.prepare(ComputeConfig(device="cpu", backend="jax"))
    compile_once(folder / "compiled")
    given = np.load(folder / "given.npz")
    train = Split(given["images"], given["labels"])
    weights = [given[f"weight{index}"] for index in range(int(given["weights"]))]
    without_dropout = {"dropout_rate": 0, "dense_dropout_rate": 0}
    report: dict[str, Any] = {}
    for name, scan in (("scan", True), ("steps", False)):
        engine = build(train, scan, **without_dropout)
        engine.model.set_weights(weights)
        scores = engine.run_epoch(given["order"], lambda step: None)
        np.savez(folder / f"{name}.npz", *engine.model.get_weights())
        report[name] = {"loss": scores.loss, "accuracy": scores.accuracy, "steps": int(engine.optimizer.iterations)}
    report["unrolled"] = unrolled(train, given["order"])
    report["flipped"] = flipped(train, given["order"])
    report["predicted"] = predicted(engine)
    report["dropout"] = [[dropout_losses(train, scan) for _ in range(2)] for scan in (True, False)]
    report["probabilities"] = engine.predict(train.images).sum(axis=1).tolist()
    wider = {"filters": 4, "dense_units": 32, "max_norm": None, **without_dropout}
    report["precisions"] = [losses(build(train, True, name, **wider), epochs=4) for name in ("float16", "float32")]
    others = (build(train, True, dropout_rate=rate).model for rate in (0.2, 0.3))
    report["takes dropout"] = [build(train, True).take_dropout(other) for other in others]
    report["diverged"] = diverged_at(train)
    report["trained"] = train_whole(train)
    report["two goes"] = train_in_two_goes(train, folder / "checkpoints")
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def compile_once(folder: Path) -> None:
    """Engines that are alike share what XLA makes of them."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def unrolled(train: Split, order: np.ndarray) -> list[list[float]]:
    """Losses of two epochs by scan, one step at a turn of its loop and two, which do not divide the three steps."""
    from cifar.engines import seed_dropout

    found = []
    for unroll in (1, 2):
        engine, ran = build(train, scan=True, unroll=unroll), []
        for epoch in (1, 2):
            seed_dropout(engine.model, 0, epoch)
            ran.append(engine.run_epoch(order, lambda step: None).loss)
        found.append(ran)
    return found


def flipped(train: Split, order: np.ndarray) -> list[float]:
    """The losses of an epoch over mirrored images: by numbers beyond the images, and as images of their own."""
    mirrored = Split(np.flip(train.images, axis=2), train.labels)
    plain = {"scan": True, "dropout_rate": 0, "dense_dropout_rate": 0}
    found = (build(train, random_flip=True, **plain), order + len(train)), (build(mirrored, **plain), order)
    return [engine.run_epoch(numbers, lambda step: None).loss for engine, numbers in found]


def predicted(engine: Any) -> bool:
    """Whether what an engine says of many images is what it says of each batch."""
    from cifar.engines.jax import PREDICT_BATCH

    images = np.random.default_rng(0).integers(0, 256, (2 * PREDICT_BATCH + 1, 32, 32, 3)).astype(np.uint8)
    parts = [engine.predict(images[at : at + PREDICT_BATCH]) for at in range(0, len(images), PREDICT_BATCH)]
    return bool(np.array_equal(engine.predict(images), np.concatenate(parts)))


def build(
    train: Split, scan: bool, precision: str = "float32", unroll: int = 1, random_flip: bool = False, **model: Any
) -> Any:
    """An engine for a small model3 whose max-norm binds."""
    from cifar.engines.jax import JaxEngine

    config = RunConfig(
        model=Model3Config(**{"filters": 2, "dense_units": 8, "max_norm": 0.5, **model}),
        optimizer=SGD(learning_rate=0.05, momentum=0.9),
        data=DataConfig(name="sample", train_size=len(train), validation_size=20, random_flip=random_flip),
        compute=ComputeConfig(backend="jax", precision=precision),
    )
    return JaxEngine(config, train, scan=scan, unroll=unroll)


def losses(engine: Any, epochs: int) -> list[float]:
    """The loss of each of some epochs."""
    order = np.arange(len(engine._labels))
    return [engine.run_epoch(order, lambda step: None).loss for _ in range(epochs)]


def dropout_losses(train: Split, scan: bool) -> list[float]:
    """Two epochs with dropout, each seeded."""
    from cifar.engines import seed_dropout

    engine = build(train, scan)
    found = []
    for epoch in (1, 2):
        seed_dropout(engine.model, 0, epoch)
        found += losses(engine, epochs=1)
    return found


def diverged_at(train: Split) -> int:
    """The step at which a weight that is no number is noticed."""
    from cifar.engines import DivergedError

    engine = build(train, scan=False)
    broken = engine.model.get_weights()
    broken[-1][:] = np.nan
    engine.model.set_weights(broken)
    try:
        losses(engine, epochs=1)
    except DivergedError as error:
        return error.step
    return 0


def train_whole(train: Split) -> list[dict[str, float]]:
    """train() from end to end on this backend."""
    from cifar.data import Dataset
    from cifar.training import train as train_network

    config = RunConfig(
        model=Model3Config(filters=4, dense_units=32),
        optimizer=SGD(learning_rate=0.02, momentum=0.9),
        data=DataConfig(name="sample", train_size=len(train), validation_size=20),
        training=TrainingConfig(epochs=12),
        compute=ComputeConfig(device="cpu", backend="jax"),
    )
    return train_network(config, Dataset(train, train, train, "made up", "0"), Deaf()).history


def train_in_two_goes(train: Split, folder: Path) -> list[list[str]]:
    """The weights that three epochs with a scaled loss end with, at once and gone on with after the second, as hex."""
    from cifar.checkpoints import Checkpoints
    from cifar.data import Dataset
    from cifar.durable import remove_folder
    from cifar.training import train as train_network

    config = RunConfig(
        model=Model3Config(filters=2, dense_units=8, max_norm=0.5),
        optimizer=SGD(learning_rate=0.02, momentum=0.9),
        data=DataConfig(name="sample", train_size=len(train), validation_size=20),
        training=TrainingConfig(epochs=3),
        compute=ComputeConfig(backend="jax", precision="float16"),
    )
    dataset, found = Dataset(train, train, train, "made up", "0"), []
    for _ in range(2):
        trained = train_network(config, dataset, Deaf(), Checkpoints(folder))
        found.append([weight.tobytes().hex() for weight in trained.model.get_weights()])
        remove_folder(folder / "epoch-0003")
    return found


class Deaf:
    """A listener that does not."""

    def on_resume(self, history: list[dict[str, float]], warnings: list[str]) -> None: ...

    def on_step(self, epoch: int, step: int) -> None: ...

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None: ...


if __name__ == "__main__":
    main(Path(sys.argv[1]))
