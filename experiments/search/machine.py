"""What this machine has for the trials of a sweep: GPUs or cores, and memory."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from cifar.compute import cores
from experiments.search.config import WorkersConfig

WORKER_BYTES = 1.5e9
"""What a worker may need: TensorFlow, MLflow, the images twice, a network. No more are started than fit."""

_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def count_workers(config: WorkersConfig, device: str) -> int:
    """How many processes of this machine: one for each GPU, or else for each core, as far as memory goes."""
    if config.count is not None:
        return config.count
    if found := gpus(device):
        return len(found)
    return max(1, min(cores(), int(free_memory()[1] / WORKER_BYTES)))


def free_memory() -> tuple[int, int]:
    """Bytes that are free, and all there are for this process, which a container may limit."""
    seen = psutil.virtual_memory()
    limits = [int(file.read_text()) for file in _CGROUPS if file.is_file() and file.read_text().strip().isdecimal()]
    total = min([seen.total, *limits])
    return min(seen.available, total), total


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
