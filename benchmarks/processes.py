"""Whole commands as a user would start them, with what they took."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
STATUS = Path("/proc/self/status")
LAST_LINES = 800
"""So many characters of what a command printed are told when it fails."""


@dataclass(frozen=True)
class Ended:
    """A command that came to its end: wall-clock from its start to its exit, and its peak of memory."""

    seconds: float
    peak_memory_mb: int


def run_to_end(module: str, arguments: Sequence[str], folder: str, environment: Mapping[str, str]) -> Ended:
    """Run `python -m module arguments` (see `run_python`)."""
    return run_python(["-m", module, *arguments], folder, environment)


def run_python(arguments: Sequence[str], folder: str, environment: Mapping[str, str]) -> Ended:
    """Run `python arguments` in a folder and wait for it; what it prints goes to a file.

    Args:
        environment: variables to set beside those of this process.

    Raises:
        RuntimeError: it failed; with the last lines that it printed.
    """
    command = [sys.executable, *arguments]
    variables = {**os.environ, "PYTHONPATH": str(PROJECT), **environment}
    with tempfile.TemporaryFile() as printed:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=printed, stderr=subprocess.STDOUT)
        try:
            # wait4, since only it tells the peak of this one child. (Linux counts this process' own size into that.)
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()  # not kill: a sweep ends its workers first
            process.wait()
            raise
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            printed.seek(0)
            last = printed.read().decode(errors="replace")[-LAST_LINES:]
            raise RuntimeError(f"{' '.join(command[1:])}: exit code {process.returncode}\n{last}")
    return Ended(seconds, peak_memory_mb(usage))


def own_peak_memory_mb() -> int:
    """The most memory that this process has had at a time; on Linux without what its parent had when it began."""
    with suppress(OSError, ValueError):
        (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) * 1024 / 1e6)
    return peak_memory_mb(resource.getrusage(resource.RUSAGE_SELF))


def peak_memory_mb(usage: resource.struct_rusage) -> int:
    """The most memory that a process had at a time."""
    unit = 1e6 if sys.platform == "darwin" else 1e6 / 1024  # bytes there, kibibytes here
    return round(usage.ru_maxrss / unit)


def folder_on_the_same_disk() -> tempfile.TemporaryDirectory[str]:
    """For what a command writes: a temporary folder of the system may be in memory, where a database is too fast."""
    (PROJECT / "outputs").mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=PROJECT / "outputs", prefix="benchmark-")
