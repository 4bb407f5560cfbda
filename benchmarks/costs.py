"""What a run costs beside the training itself: recording it, and memory."""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.processes import folder_on_the_same_disk, run_to_end

RECORDED_EPOCHS = 30
SAMPLES_PER_EPOCH = 2
"""Of the system metrics: one every 10 seconds, and an epoch of model1 lasts 10 to 20 seconds."""
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "images_per_second", "seconds")
DATABASE = "mlflow.db"
OPTIMIZER_OF = {"model1": "rmsprop", "model2": "rmsprop", "model3": "sgd"}


def tracking_seconds(epochs: int = RECORDED_EPOCHS) -> dict[str, float]:
    """Seconds that the record of an epoch takes, in a new process: median, least and most of some epochs."""
    with folder_on_the_same_disk() as folder, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        taken = process.submit(_record, folder, epochs).result()
    return {"epochs": epochs, "median": statistics.median(taken), "min": min(taken), "max": max(taken)}


def _record(folder: str, epochs: int) -> list[float]:
    from experiments.tracking.config import TrackingConfig
    from experiments.tracking.recorder import open_recorder
    from experiments.tracking.system import SystemSampler

    os.chdir(folder)
    taken = []
    metrics = dict.fromkeys(METRICS, 0.5)
    config = TrackingConfig(uri=f"sqlite:///{DATABASE}")
    with open_recorder(config, Path("outputs")) as recorder, SystemSampler() as sampler:
        for epoch in range(1, epochs + 1):
            started = time.perf_counter()
            samples = [sample for _ in range(SAMPLES_PER_EPOCH) for sample in sampler.drain()]
            recorder.log_epoch(epoch, metrics, samples)
            taken.append(time.perf_counter() - started)
    return taken


def whole_run(model: str, data: str) -> dict[str, Any]:
    """One ordinary run of one epoch, from the command to the recorded model: peak memory in MB, and seconds.

    Raises:
        RuntimeError: the run failed; with the last lines that it printed.
    """
    overrides = [f"model={model}", f"optimizer={OPTIMIZER_OF[model]}", f"data={data}", "training.epochs=1"]
    with folder_on_the_same_disk() as folder:
        ended = run_to_end("experiments.run", overrides, folder, {"MLFLOW_TRACKING_URI": f"sqlite:///{DATABASE}"})
    return {"overrides": overrides, "peak_memory_mb": ended.peak_memory_mb, "seconds": round(ended.seconds, 1)}
