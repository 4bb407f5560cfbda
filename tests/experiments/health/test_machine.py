"""What is told of GPU, disk and memory."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from experiments.health import machine
from experiments.health.findings import Level
from experiments.health.machine import disk, gpu, has_nvidia, memory

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an NVIDIA GPU on its bus, and no driver; returns where the driver would be."""
    device = tmp_path / "devices" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030200\n")
    monkeypatch.setattr(machine, "_DEVICES", tmp_path / "devices")
    monkeypatch.setattr(machine, "_DRIVER", tmp_path / "gpus")
    monkeypatch.setattr(machine, "_NODES", tmp_path / "dev")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "gpus"


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """How much is free on every disk, in bytes."""
    free = SimpleNamespace(bytes=10**12)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: Usage(10**13, 0, free.bytes))
    return free


def test_a_gpu_that_is_used_is_well(nvidia: Path) -> None:
    (found,) = gpu("H200", "tensorflow")
    assert (found.level, found.text) == (Level.OK, "tensorflow uses H200")


def test_a_gpu_without_its_driver_is_a_problem(nvidia: Path) -> None:
    (found,) = gpu(None, "tensorflow")
    assert (found.level, found.text) == (Level.PROBLEM, "there is an NVIDIA GPU without its driver")


@pytest.mark.parametrize(("backend", "extra"), [("tensorflow", '-e ".[gpu]"'), ("jax", '"jax[cuda13]"')])
def test_a_gpu_that_the_backend_does_not_find_is_a_problem_with_what_to_install(
    nvidia: Path, backend: str, extra: str
) -> None:
    (nvidia / "0000:01:00.0").mkdir(parents=True)
    (found,) = gpu(None, backend)
    assert (found.level, found.text) == (Level.WARNING, "there is an NVIDIA GPU that this container was not given")
    (nvidia.parent / "dev").mkdir()
    (nvidia.parent / "dev" / "nvidia0").touch()
    (found,) = gpu(None, backend)
    assert found.level is Level.PROBLEM
    assert found.advice == f"pip install {extra}, then look at nvidia-smi"


def test_a_gpu_that_the_user_hides_is_no_problem(nvidia: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    (found,) = gpu(None, "tensorflow")
    assert found.level is Level.NOTE


@pytest.mark.parametrize(("file", "text"), [("vendor", "0x8086"), ("class", "0x0c0330")])
def test_other_makers_and_other_devices_are_no_nvidia_gpu(nvidia: Path, file: str, text: str) -> None:
    assert has_nvidia()
    next(machine._DEVICES.iterdir()).joinpath(file).write_text(text)
    assert not has_nvidia()
    (found,) = gpu(None, "tensorflow")
    assert found.level is Level.NOTE


@pytest.mark.parametrize(
    ("room", "level"), [(260_000_000, Level.PROBLEM), (2_600_000_000, Level.WARNING), (2_800_000_000, Level.OK)]
)
def test_a_disk_without_room_for_a_run_is_a_problem(
    tmp_path: Path, free: SimpleNamespace, room: int, level: Level
) -> None:
    free.bytes = room
    (found,) = disk([tmp_path / "outputs", tmp_path / "mlruns"], tmp_path)
    assert found.level is level
    assert f"free where runs go ({tmp_path})" in found.text


def test_room_for_the_data_is_asked_for_only_until_they_are_there(tmp_path: Path, free: SimpleNamespace) -> None:
    assert len(list(disk([tmp_path], tmp_path / "cache"))) == 2
    (tmp_path / "cache").mkdir()
    assert len(list(disk([tmp_path], tmp_path / "cache"))) == 1


@pytest.mark.parametrize(
    ("total", "available", "level"), [(16e9, 8e9, Level.OK), (16e9, 1e9, Level.WARNING), (1e9, 1e9, Level.PROBLEM)]
)
def test_memory_that_a_run_does_not_fit_into_is_told(
    monkeypatch: pytest.MonkeyPatch, total: float, available: float, level: Level
) -> None:
    seen = SimpleNamespace(total=int(total), available=int(available))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: seen)
    monkeypatch.setattr("experiments.search.machine._CGROUPS", ())
    assert next(memory()).level is level
