"""What a training runs on: the backend, the device, the threads. To be called before Keras is first imported."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cifar.config import ComputeConfig
from cifar.fields import ConfigError, shown
from cifar.imports import first_import


@dataclass(frozen=True)
class Device:
    """What was found: `kind` is "cpu" or "gpu", `name` is what a person would call it."""

    kind: str
    name: str


_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of mallopt(3); the last is as high as it may be

UNUSED = ("matplotlib", "pandas", "pyarrow")
"""Keras imports these, for seconds, for pictures and data frames that nothing here uses."""

_ONEDNN_MACHINES = ("x86_64", "AMD64")
"""Where oneDNN's convolutions are faster. TensorFlow takes them by itself only where the processor has AVX-512 VNNI."""

_CGROUP = "/sys/fs/cgroup"
_CPU_QUOTAS = ((f"{_CGROUP}/cpu.max",), (f"{_CGROUP}/cpu/cpu.cfs_quota_us", f"{_CGROUP}/cpu/cpu.cfs_period_us"))
"""Where Linux says how many microseconds of how many a container may compute: cgroups of version 2, of version 1."""

_prepared: ComputeConfig | None = None


def prepare(config: ComputeConfig) -> Device:
    """Set up this process for one backend and one device.

    Frameworks read these settings once, so a second call with other ones cannot be honoured.

    Raises:
        ConfigError: a GPU was asked for and there is none, reduced precision was asked for on a CPU,
            or the process is already set up differently.
    """
    global _prepared
    _refuse_a_second_setting(config)
    first = _prepared is None
    _prepared = config
    if first:
        keep_freed_memory()
    os.environ["KERAS_BACKEND"] = config.backend
    with without_native_greetings():
        device = (_prepare_jax if config.backend == "jax" else _prepare_tensorflow)(config, first)
    if config.device == "gpu" and device.kind != "gpu":
        raise ConfigError("compute.device", "gpu", "a GPU that the backend can use", _how_to_get_a_gpu(config.backend))
    if config.precision != "float32" and device.kind != "gpu":
        raise ConfigError("compute.precision", config.precision, "float32, since no GPU was found")
    return device


def _how_to_get_a_gpu(backend: str) -> str:
    extra = 'pip install "jax[cuda13]"' if backend == "jax" else 'pip install -e ".[gpu]"'
    return f"None was found: check nvidia-smi and {extra}, or use compute.device=auto"


def _refuse_a_second_setting(config: ComputeConfig) -> None:
    if _prepared is not None:
        for name in ("backend", "threads", "deterministic", "device"):
            if getattr(config, name) != getattr(_prepared, name):
                raise ConfigError(
                    f"compute.{name}",
                    getattr(config, name),
                    f"{shown(getattr(_prepared, name))}, which this process already uses",
                    "Start a command of its own for each",
                )
    elif "keras" in sys.modules and _keras_backend() != config.backend:
        raise ConfigError("compute.backend", config.backend, f"{_keras_backend()}, which Keras was imported with")


@contextlib.contextmanager
def without_native_greetings() -> Iterator[None]:
    """Keep TensorFlow's start-up notes, which its C++ writes past every log level, off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def keep_freed_memory() -> None:
    """Have the C library keep up to 2 GB of what is freed, for the next step, where it can (glibc).

    It would give some of it back after each step and be given it again, zeroed, page by page, which takes time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, size in ((_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**26), (_M_MMAP_THRESHOLD, 2**25)):
            mallopt(setting, size)


def _keras_backend() -> str:
    import keras

    return keras.config.backend()


def _prepare_tensorflow(config: ComputeConfig, first: bool) -> Device:
    if platform.machine() in _ONEDNN_MACHINES:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # it imports Keras, which imports the other backend and scikit-learn too
    with first_import("tensorflow", without=(*UNUSED, "jax", "scipy", "sklearn")):
        import tensorflow as tf

    if first:
        tf.get_logger().setLevel("ERROR")
        if config.device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        for gpu in tf.config.get_visible_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        threads = config.threads or cores()
        # The engine works on two halves of a batch side by side (see cifar.engines.layers).
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.config.threading.set_intra_op_parallelism_threads((threads + 1) // 2)
        if config.deterministic:
            tf.config.experimental.enable_op_determinism()
    gpus: list[Any] = tf.config.get_visible_devices("GPU")
    tf.config.list_logical_devices()  # starts the devices
    if not gpus:
        return Device("cpu", cpu_name())
    details = tf.config.experimental.get_device_details(gpus[0])
    return Device("gpu", details.get("device_name", "GPU"))


def _prepare_jax(config: ComputeConfig, first: bool) -> Device:
    if first:
        flags = os.environ.get("XLA_FLAGS", "")
        if config.device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"
        if config.threads is not None:
            _limit_cores(config.threads)
        if config.deterministic:
            flags += " --xla_gpu_deterministic_ops=true"
        os.environ["XLA_FLAGS"] = flags.strip()
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with first_import("jax", without=(*UNUSED, "sklearn")):
        import jax
        import keras  # noqa: F401  (imports TensorFlow where it is installed, which greets too)

    device = jax.devices()[0]
    return Device("gpu", device.device_kind) if device.platform == "gpu" else Device("cpu", cpu_name())


def cores() -> int:
    """How many this process may use: those it is bound to, but not more than the time that a container is given."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for files in _CPU_QUOTAS:
        with contextlib.suppress(OSError, ValueError):
            quota, period = " ".join(Path(file).read_text(encoding="ascii") for file in files).split()
            if quota not in ("max", "-1"):
                bound = min(bound, math.ceil(int(quota) / int(period)))
    return max(1, bound)


def _limit_cores(threads: int) -> None:
    """XLA sizes its thread pools by the cores that the process may use."""
    if not hasattr(os, "sched_setaffinity"):
        raise ConfigError("compute.threads", threads, "null: this system cannot limit the cores of a JAX process")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def cpu_name() -> str:
    """The processor's own name where the system tells it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()
