"""What a run costs beside the training itself: recording it, and memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
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
    command = [sys.executable, "-m", "experiments.run", *overrides]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "MLFLOW_TRACKING_URI": f"sqlite:///{DATABASE}"}
    with folder_on_the_same_disk() as folder, tempfile.TemporaryFile() as printed:
        started = time.perf_counter()
        run = subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT)
        # wait4, since only it tells the peak of this one child. (Linux counts this process' own size into that.)
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if run.returncode != 0:
            printed.seek(0)
            raise RuntimeError(f"{' '.join(command[1:])}: exit code {run.returncode}\n{printed.read().decode()[-800:]}")
    unit = 1e6 if sys.platform == "darwin" else 1e6 / 1024  # bytes there, kibibytes here
    return {"overrides": overrides, "peak_memory_mb": round(usage.ru_maxrss / unit), "seconds": round(seconds, 1)}


def folder_on_the_same_disk() -> tempfile.TemporaryDirectory[str]:
    # as the user's own runs: a temporary folder of the system may be in memory, where a database is too fast
    (PROJECT / "outputs").mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=PROJECT / "outputs", prefix="benchmark-")
