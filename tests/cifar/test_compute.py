"""The device is found once, and what it cannot do is refused in one line."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from cifar import compute
from cifar.config import ComputeConfig
from cifar.fields import ConfigError

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")


def test_a_cpu_is_named() -> None:
    device = compute.prepare(ComputeConfig(device="cpu"))
    assert device.kind == "cpu"
    assert device.name == compute.cpu_name() != ""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"backend": "jax"}, "compute.backend=jax: expected tensorflow, which this process already uses"),
        ({"threads": 1}, "compute.threads=1: expected null, which this process already uses"),
        ({"deterministic": True}, "compute.deterministic=true: expected false, which this process already uses"),
    ],
)
def test_a_process_is_set_up_once(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compute.prepare(ComputeConfig(**{"device": "cpu", **changed}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "cores"),
    [
        (("150000 100000",), 2),
        (("max 100000",), 64),
        (("50000", "100000"), 1),
        (("-1", "100000"), 64),
        (("no number",), 64),
        ((), 64),
    ],
)
def test_a_container_has_as_many_cores_as_it_is_given_time(
    told: tuple[str, ...], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tuple(str(tmp_path / str(number)) for number in range(max(1, len(told))))
    for file, text in zip(files, told, strict=False):
        Path(file).write_text(f"{text}\n")
    monkeypatch.setattr(compute, "_CPU_QUOTAS", (files,))
    monkeypatch.setattr(compute.os, "sched_getaffinity", lambda process: set(range(64)))
    assert compute.cores() == cores


SCRIPT = """
from cifar import compute
from cifar.config import ComputeConfig
from cifar.fields import ConfigError
for refused in {refused}:
    try:
        compute.prepare(ComputeConfig(**refused))
    except ConfigError as error:
        print(error)
    compute._prepared = None
import tensorflow as tf
print(tf.config.threading.get_inter_op_parallelism_threads(), tf.config.threading.get_intra_op_parallelism_threads())
tf.function(tf.nn.conv2d)(tf.zeros([1, 8, 8, 3]), tf.zeros([3, 3, 3, 8]), 1, "SAME")
"""


@pytest.fixture(scope="module")
def process_without_gpus() -> subprocess.CompletedProcess[str]:
    asked = [{"device": "gpu", "threads": 3}, {"precision": "bfloat16", "threads": 3}]
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(refused=asked)],
        capture_output=True,
        text=True,
        check=False,
        env={"CUDA_VISIBLE_DEVICES": "-1", "PATH": "/usr/bin:/bin", "ONEDNN_VERBOSE": "1"},
    )


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="LEFT OUT: it is for such processors")
def test_convolutions_are_those_of_onednn_whatever_the_processor_has(
    process_without_gpus: subprocess.CompletedProcess[str],
) -> None:
    told = [line for line in process_without_gpus.stdout.splitlines() if line.startswith("onednn_verbose")]
    assert any(",exec,cpu,convolution," in line for line in told)


def test_a_gpu_that_is_not_there_is_refused_and_nothing_is_written_to_the_terminal(
    process_without_gpus: subprocess.CompletedProcess[str],
) -> None:
    done = process_without_gpus
    said = [line for line in done.stdout.splitlines() if not line.startswith("onednn_verbose")]
    no_gpu, no_precision, threads = said
    assert no_gpu.startswith("compute.device=gpu: expected a GPU that the backend can use. None was found: check")
    assert no_precision == "compute.precision=bfloat16: expected float32, since no GPU was found"
    assert threads == "3 2"  # operations at once, threads in each
    assert done.stderr == ""


PAGES = """
import ctypes, resource, sys
from cifar.compute import keep_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.prctl(41, 1, 0, 0, 0)  # no huge pages, of which a few are many

def use():
    blocks = [libc.malloc(30_000_000) for _ in range(4)]
    for block in blocks:
        ctypes.memset(block, 1, 30_000_000)
    for block in reversed(blocks):
        libc.free(block)

if sys.argv[1] == "keep":
    keep_freed_memory()
use(), use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="LEFT OUT: only glibc can be told")
def test_memory_that_was_freed_is_not_paged_in_again() -> None:
    keeps, gives_back = (
        int(subprocess.run([sys.executable, "-c", PAGES, how], capture_output=True, check=True).stdout)
        for how in ("keep", "give back")
    )
    assert keeps < 100 < 10_000 < gives_back
