"""Real Dask clusters, with trials that take no time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from cifar.fields import ConfigError
from experiments.search import attendance, cluster
from experiments.search.cluster import ensure_answers, open_workers
from experiments.search.config import WorkersConfig
from experiments.search.pool import DaskWorkers
from experiments.search.records import SweepError
from experiments.search.workers import Outcome, WorkerLostError
from tests.experiments.search.jobs import FINE, SLEEPS, in_folder, is_gone, job, wait_for

ROOT = Path(__file__).resolve().parents[3]
PRELOAD = "distributed.worker.preload"


def listening() -> set[str]:
    """On which addresses this process and its children listen."""
    this = psutil.Process()
    return {
        connection.laddr.ip
        for process in (this, *this.children(recursive=True))
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def test_workers_listen_here_only_and_end_with_the_sweep_and_leave_nothing(
    tmp_path: Path,
) -> None:
    with open_workers(WorkersConfig(count=1), in_folder(tmp_path), tmp_path, "cpu") as workers:
        workers.submit(job(SLEEPS))
        while not (tmp_path / "sleeps").exists() or not (tmp_path / "sleeps").read_text():
            time.sleep(0.02)
        assert listening() == {"127.0.0.1"}
        began = time.monotonic()
    assert time.monotonic() - began < 10
    process = int((tmp_path / "sleeps").read_text())
    wait_for(lambda: is_gone(process))
    assert [path.name for path in tmp_path.iterdir()] == ["sleeps"]


WHERE_TOLD = "import os, signal\nif os.path.exists({!r}): {}\n"
"""What a worker runs before all else."""

FREEZE = "os.kill(os.getpid(), signal.SIGSTOP)"


def frozen_processes() -> list[psutil.Process]:
    """Those that this process has started and that are stopped."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            found += [child] if child.status() == psutil.STATUS_STOPPED else []
    return found


def submit_and_kill(workers: DaskWorkers, folder: Path) -> Future[Outcome]:
    """A trial whose worker is killed, so that another one has to be started."""
    future = workers.submit(job(SLEEPS))
    while not (folder / "sleeps").exists() or not (folder / "sleeps").read_text():
        time.sleep(0.02)
    os.kill(int((folder / "sleeps").read_text()), signal.SIGKILL)
    return future


@pytest.mark.parametrize("does", ["os._exit(1)", FREEZE])
def test_processes_that_die_or_freeze_while_they_come_up_are_started_again_until_they_do(
    does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    monkeypatch.setitem(cluster._SETTINGS, PRELOAD, [WHERE_TOLD.format(str(told), does)])
    monkeypatch.setattr(cluster, "START_SECONDS", 20.0)
    monkeypatch.setattr(attendance, "AGAIN_SECONDS", 0.5)
    with open_workers(WorkersConfig(count=1), in_folder(tmp_path), tmp_path, "cpu") as workers:
        told.touch()
        first = submit_and_kill(workers, tmp_path)
        with pytest.raises(WorkerLostError):
            first.result(60)
        second = workers.submit(job(FINE))
        with pytest.raises(TimeoutError):
            second.result(8)
        frozen = frozen_processes()
        told.unlink()
        assert second.result(60).score == 0.5
        assert psutil.wait_procs(frozen, timeout=10)[1] == []
    assert len(frozen) == (does == FREEZE)


def test_one_that_is_frozen_while_it_comes_up_again_ends_with_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    monkeypatch.setitem(cluster._SETTINGS, PRELOAD, [WHERE_TOLD.format(str(told), FREEZE)])
    with open_workers(WorkersConfig(count=1), in_folder(tmp_path), tmp_path, "cpu") as workers:
        told.touch()
        submit_and_kill(workers, tmp_path)
        while not (frozen := frozen_processes()):
            time.sleep(0.02)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert psutil.wait_procs(frozen, timeout=10)[1] == []


def test_where_none_comes_up_at_the_start_that_is_one_line_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cluster._SETTINGS, PRELOAD, ["raise MemoryError('no more')\n"])
    expected = r"^a worker process did not come up \(no more\)\. Memory or .*; 2 were asked for, try workers\.count=1$"
    with (
        pytest.raises(SweepError, match=expected),
        open_workers(WorkersConfig(count=2), in_folder(tmp_path), tmp_path, "cpu"),
    ):
        pass
    assert [*tmp_path.iterdir()] == []


FREEZES = "import time\ntime.sleep(600)\n"


def test_nor_is_one_that_freezes_while_it_comes_up_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tells = f"import os, time\nopen({str(tmp_path / 'number')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    monkeypatch.setitem(cluster._SETTINGS, PRELOAD, [tells])
    monkeypatch.setattr(cluster, "START_SECONDS", 8.0)
    (tmp_path / "sweep").mkdir()
    with (
        pytest.raises(SweepError, match=r"^a worker process did not come up \(not within 8 s\)\. Memory"),
        open_workers(WorkersConfig(count=1), in_folder(tmp_path), tmp_path / "sweep", "cpu"),
    ):
        pass
    assert [*(tmp_path / "sweep").iterdir()] == []
    frozen = int((tmp_path / "number").read_text())
    wait_for(lambda: is_gone(frozen))


def test_a_terminals_ctrl_c_while_they_come_up_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom experiments.search import cluster\n"
        "from experiments.search.config import WorkersConfig\n"
        f"cluster._SETTINGS[{PRELOAD!r}] = {[FREEZES]!r}\n"
        "if __name__ == '__main__':\n"
        "    print('starting', flush=True)\n"
        "    try:\n"
        "        with cluster.open_workers(WorkersConfig(count=1), len, Path('sweep'), 'cpu'): pass\n"
        "    except KeyboardInterrupt:\n        print('stopped', list(Path('sweep').iterdir()))\n"
    )
    (tmp_path / "starts.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "starts.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not any("spawn_main" in " ".join(child.cmdline()) for child in psutil.Process(process.pid).children()):
        time.sleep(0.02)
    time.sleep(0.3)  # they import what they need, as far as they have come
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (out, err) == ("starting\nstopped []\n", "")
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_an_address_where_nothing_answers_is_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    config = WorkersConfig(address="tcp://127.0.0.1:9")
    expected = r"workers\.address=tcp://127\.0\.0\.1:9: expected a Dask scheduler"
    with pytest.raises(ConfigError, match=expected), open_workers(config, in_folder(tmp_path), tmp_path):
        pass
    with pytest.raises(ConfigError, match=expected):
        ensure_answers(config)


def test_a_scheduler_that_takes_the_connection_and_says_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "CLOSE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        config = WorkersConfig(address=f"tcp://127.0.0.1:{frozen.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(ConfigError, match="expected a Dask scheduler that answers"):
            ensure_answers(config)
        assert time.monotonic() - began < 5


def test_tls_without_certificates_is_the_users_to_mend(tmp_path: Path) -> None:
    config = WorkersConfig(address="tls://127.0.0.1:9")
    expected = r"workers\.address=tls://127\.0\.0\.1:9: expected certificates named in Dask's configuration"
    with pytest.raises(ConfigError, match=expected), open_workers(config, in_folder(tmp_path), tmp_path):
        pass
