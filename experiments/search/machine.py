"""What this machine has for the trials of a sweep: GPUs or cores, and memory."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

import psutil

from experiments.search.config import WorkersConfig

WORKER_BYTES = 1.5e9
"""What a worker may need: TensorFlow, MLflow, the images twice, a network. No more are started than fit."""


def count_workers(config: WorkersConfig, device: str) -> int:
    """How many processes of this machine: one for each GPU, or else for each core, as far as memory goes."""
    if config.count is not None:
        return config.count
    if found := gpus(device):
        return len(found)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().total / WORKER_BYTES)))


def gpus(device: str) -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that trials may use; none with device="cpu"."""
    if device == "cpu":
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name.strip() not in ("", "-1")]
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=20, check=True)
        return [str(number) for number, line in enumerate(told.stdout.splitlines()) if line.startswith("GPU ")]
    return []
