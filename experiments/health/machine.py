"""What this machine has for a training: a GPU that the backend can use, space on the disk, memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from experiments.health.findings import Finding, note, ok, problem, size, warning
from experiments.search.machine import free_memory

RUN_BYTES = 270_000_000
"""What a run takes at most: model3 with Adam, three checkpoints (of 50 MB, measured; 67 MB with the best weights in it)
and one that is being written, its artifacts and its network twice (17 MB each)."""

FETCH_BYTES = 500_000_000
"""What fetching CIFAR-10 takes for a while."""

RUN_MEMORY = 1_800_000_000
"""What a run takes of memory at most, measured with model3 (benchmarks/results/train.json)."""

ENOUGH_RUNS = 10
_DRIVER = Path("/proc/driver/nvidia/gpus")
_DEVICES = Path("/sys/bus/pci/devices")
_NODES = Path("/dev")


def gpu(found: str | None, backend: str) -> Iterator[Finding]:
    """Whether an NVIDIA GPU that is in the machine is one that the backend uses.

    Args:
        found: the name of the GPU that the backend uses; None if it uses the processor.
        backend: its name.
    """
    if found is not None:
        yield ok(f"{backend} uses {found}")
    elif not has_nvidia():
        yield note(f"no NVIDIA GPU in this machine; {backend} uses the processor")
    elif os.environ.get("CUDA_VISIBLE_DEVICES", "x").strip() in ("", "-1"):
        yield note("there is an NVIDIA GPU, which CUDA_VISIBLE_DEVICES hides; unset it to use the GPU")
    elif _DRIVER.is_dir() and not any(_NODES.glob("nvidia[0-9]*")):
        yield warning("there is an NVIDIA GPU that this container was not given", "docker run --gpus all, for example")
    elif not _DRIVER.is_dir():
        yield problem("there is an NVIDIA GPU without its driver", "Install the driver; nvidia-smi shows when it works")
    else:
        extra = 'pip install "jax[cuda13]"' if backend == "jax" else 'pip install -e ".[gpu]"'
        yield problem(f"there is an NVIDIA GPU, and {backend} does not find it", f"{extra}, then look at nvidia-smi")


def has_nvidia() -> bool:
    """Whether there is an NVIDIA GPU, with a driver or without."""
    if _DRIVER.is_dir() and any(_DRIVER.iterdir()):
        return True
    with suppress(OSError):
        return any(_is_nvidia_display(device) for device in _DEVICES.iterdir())
    return False


def disk(places: Sequence[Path], cache: Path) -> Iterator[Finding]:
    """Whether there is room for runs where they go, and for the data in their cache, if they are not there yet."""
    needed = [(place, RUN_BYTES, ENOUGH_RUNS, "runs go") for place in places]
    needed += [] if cache.is_dir() else [(cache, FETCH_BYTES, 1, "the data go")]
    told = set()
    for place, each, enough, what in needed:
        standing = _standing(place)
        if (standing.stat().st_dev, what) in told:
            continue
        told.add((standing.stat().st_dev, what))
        free = shutil.disk_usage(standing).free
        line = f"{size(free)} free where {what} ({standing})"
        if free < each:
            yield problem(f"{line}; one may take {size(each)}", "Make room, or work in a folder on another disk")
        elif free < each * enough:
            yield warning(f"{line}: room for {free // each} or more")
        else:
            yield ok(line)


def memory() -> Iterator[Finding]:
    """Whether a run fits into memory beside what runs already."""
    free, total = free_memory()
    line = f"{size(free)} of {size(total)} memory free; a run takes up to {size(RUN_MEMORY)}"
    if total < RUN_MEMORY:
        yield problem(line, "Use a machine with more memory")
    elif free < RUN_MEMORY:
        yield warning(line, "End what else runs here")
    else:
        yield ok(line)


def _is_nvidia_display(device: Path) -> bool:
    maker, kind = ((device / name).read_text().strip() for name in ("vendor", "class"))
    return maker == "0x10de" and kind.startswith("0x03")


def _standing(place: Path) -> Path:
    """The folder, or the nearest above it that there is."""
    return next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.is_dir())
