"""One driver for a sweep: the second is refused at once, and told who the first is."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.search.lock import DRIVER_FILE, DriverLock
from experiments.search.records import SweepError

HOLD = """
import sys
from pathlib import Path
from experiments.search.lock import DriverLock

lock = DriverLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_driver(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that drives the sweep in a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_second_driver_is_told_the_host_and_process_of_the_first(tmp_path: Path) -> None:
    with another_driver(tmp_path) as first:
        began = time.monotonic()
        with pytest.raises(SweepError) as error:
            DriverLock(tmp_path)
        assert time.monotonic() - began < 5
        who = f"process {first.pid} on {platform.node()}, since "
        assert re.fullmatch(
            re.escape(f"{tmp_path}: {who}") + r"[\d-]+ [\d:]+, drives this sweep. Wait for it, or stop it",
            str(error.value),
        )
        first.kill()
        first.wait()
        DriverLock(tmp_path).release()  # a lock ends with its process, however that ends


def test_a_driver_is_refused_in_its_own_process_too(tmp_path: Path) -> None:
    first = DriverLock(tmp_path)
    with pytest.raises(SweepError, match="this process drives the sweep already"):
        DriverLock(tmp_path)
    first.release()
    DriverLock(tmp_path).release()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    script = """
import os, sys, time
from pathlib import Path
from experiments.search.lock import DriverLock
lock = DriverLock(Path(sys.argv[1]))
if not os.fork():
    os.close(1)
    time.sleep(3)
    os._exit(0)
print(os.getpid(), flush=True)
os._exit(0)
"""
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, check=True, env=env)
    assert json.loads((tmp_path / DRIVER_FILE).read_text())["process"] == int(done.stdout)
    DriverLock(tmp_path).release()


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "lockf", refuse)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_the_file_counts_for_an_hour(tmp_path: Path) -> None:
    told = {"host": "other", "process": 7, "since": "2026-11-22 10:00:00"}
    path = tmp_path / DRIVER_FILE
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(SweepError) as error:
        DriverLock(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: process 7 on other, since 2026-11-22 10:00:00, began to drive this sweep, and this filesystem "
        f"has no locks to tell whether it still does. If not, remove {path}"
    )
    os.utime(path, (time.time() - 3700,) * 2)
    DriverLock(tmp_path).release()
    DriverLock(tmp_path).release()  # one that was let go is nobody's
