"""Whether the process of a run lives: real processes, killed ones, numbers given again, other machines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from experiments.tracking import courier, life, replica
from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import JOURNAL_FILE
from experiments.tracking.life import HEARTBEAT_TAG, Process, judge, last_heartbeat, signs_of_life
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store

NOW = 1_800_000_000_000


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that runs, and has nothing to do with ours."""
    code = "print(1, flush=True)\nimport time\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def tags_of(pid: int) -> dict[str, str]:
    return replace(Process.own(), pid=pid, started=life._started(pid)).tags() | {HEARTBEAT_TAG: life.heartbeat()}


def test_the_tags_of_a_process_name_it_again() -> None:
    tags = signs_of_life()
    assert Process.of(tags) == Process.own()
    assert tags["process.pid"] == str(os.getpid())
    assert Process.of({}) is None
    assert Process.of(tags | {"process.pid": "many"}) is None


def test_a_process_that_runs_is_alive_however_long_it_was_silent(child: subprocess.Popen[str]) -> None:
    verdict = judge(tags_of(child.pid), heard=NOW - 10**9, now=NOW)
    assert (verdict.alive, verdict.why) == (True, f"process {child.pid} goes on")


def test_a_killed_process_is_gone_at_once_even_if_its_parent_has_not_noticed(child: subprocess.Popen[str]) -> None:
    tags = tags_of(child.pid)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    verdict = judge(tags, heard=NOW - 3000, now=NOW)
    assert verdict.alive is False
    assert verdict.why == f"process {child.pid} of this machine is gone, last heard of 2027-01-15 07:59 UTC"
    child.wait()
    assert judge(tags, heard=NOW, now=NOW).alive is False


def test_a_number_that_another_process_has_now_does_not_keep_a_run_alive(child: subprocess.Popen[str]) -> None:
    tags = tags_of(child.pid) | {"process.started": "12345"}
    assert judge(tags, heard=NOW, now=NOW).alive is False


@pytest.mark.parametrize("name", ["process.host", "process.boot_id", "process.pid_namespace"])
@pytest.mark.parametrize(("silent", "alive"), [(299, True), (301, False)])
def test_what_cannot_be_seen_from_here_lives_by_its_heartbeat(name: str, silent: int, alive: bool) -> None:
    """Another machine, this one before its last start or another of its name, a container."""
    tags = Process.own().tags() | {name: "another", "process.pid": "1"}
    assert judge(tags, heard=NOW - silent * 1000, now=NOW).alive is alive


def test_of_a_run_without_tags_nobody_can_tell() -> None:
    assert judge({}, heard=NOW, now=NOW).alive is None


@pytest.mark.parametrize("value", ["", "soon", "5"])
def test_a_heartbeat_that_is_no_time_is_none(value: str) -> None:
    assert last_heartbeat({HEARTBEAT_TAG: value}) is None


def test_where_there_is_no_proc_the_library_that_knows_the_system_is_asked(
    child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_proc(pid: int) -> list[str]:
        raise FileNotFoundError

    monkeypatch.setattr(life, "_stat", no_proc)
    tags = tags_of(child.pid)
    assert float(tags["process.started"]) > 1e9
    assert judge(tags, heard=NOW, now=NOW).alive is True
    child.kill()
    child.wait()
    assert judge(tags, heard=NOW, now=NOW).alive is False


def test_a_store_hears_of_a_run_while_it_goes_on_and_its_journal_does_not_grow(
    store: Store, new_recorder: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(replica, "heartbeat", lambda: "2100-01-01T00:00:00Z")
    with new_recorder(run_name="one") as recorder:
        lines = (recorder._session.folder / JOURNAL_FILE).read_text()
        ends = time.monotonic() + 10
        while store.client.get_run(recorder.run_id).data.tags[HEARTBEAT_TAG] != "2100-01-01T00:00:00Z":
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert (recorder._session.folder / JOURNAL_FILE).read_text() == lines
    assert "2100" not in lines


def test_a_run_has_the_tags_of_its_process_and_a_later_one_makes_it_its_own(
    store: Store, new_recorder: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_recorder(run_name="one") as recorder:
        first = store.client.get_run(recorder.run_id).data.tags
    assert Process.of(first) == Process.own()
    assert last_heartbeat(first) == pytest.approx(store.client.get_run(recorder.run_id).info.start_time, abs=2000)
    other = replace(Process.own(), pid=4_000_000)
    monkeypatch.setattr(Process, "own", classmethod(lambda cls: other))
    monkeypatch.setattr(life, "heartbeat", lambda: "2100-01-01T00:00:00Z")
    with Recorder(TrackingConfig(), recorder._session.folder, resume=recorder.run_id):
        renewed = store.client.get_run(recorder.run_id).data.tags
    assert Process.of(renewed) == other
    assert renewed[HEARTBEAT_TAG] == "2100-01-01T00:00:00Z"
    assert not [name for name in renewed if name.startswith("resume.1.process")]
