"""Which process writes a run, and whether it still does: tags that it sets and renews, and how they are judged."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

HEARTBEAT_TAG = "heartbeat"
"""When the process of a run last said that it goes on, in UTC."""

BEAT_SECONDS = 60.0
"""So often it says so."""

SILENT_SECONDS = 300.0
"""After so long a silence a process of another machine counts as gone: several beats, and clocks that differ."""

_PREFIX = "process."
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


@dataclass(frozen=True)
class Process:
    """A process, told from all others.

    Attributes:
        host: the machine's name, which others may have too.
        pid, started: its number, and when it began: in clock ticks since the machine's start, or where the system
            does not tell that, in seconds since 1970. A number is given again; both together are not.
        boot_id: another one each time the machine starts; empty where the system has none.
        pid_namespace: within which the number counts: a container has its own; empty where the system has none.
    """

    host: str
    pid: int
    started: str
    boot_id: str = ""
    pid_namespace: str = ""

    @classmethod
    def own(cls) -> Process:
        """This one."""
        namespace = ""
        with suppress(OSError):
            namespace = str(_NAMESPACE.readlink())
        boot_id = _BOOT.read_text().strip() if _BOOT.is_file() else ""
        return cls(socket.gethostname(), os.getpid(), _started(os.getpid()), boot_id, namespace)

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Process | None:
        """The one that the tags of a run name; None if they name none."""
        told = {name.removeprefix(_PREFIX): value for name, value in tags.items() if name.startswith(_PREFIX)}
        try:
            boot = told.get("boot_id", ""), told.get("pid_namespace", "")
            return cls(told["host"], int(told["pid"]), told["started"], *boot)
        except (KeyError, ValueError):
            return None

    def tags(self) -> dict[str, str]:
        """Its tags, as `of` reads them."""
        return {f"{_PREFIX}{name}": str(value) for name, value in asdict(self).items() if value}

    def can_be_seen_from(self, other: Process) -> bool:
        """Whether its number means the same for the other one: same machine, same start of it, same container."""
        here = self.host, self.boot_id, self.pid_namespace
        return here == (other.host, other.boot_id, other.pid_namespace)

    def is_there(self) -> bool:
        """Whether it runs at this moment, on this machine."""
        if not psutil.pid_exists(self.pid):
            return False
        started = _started(self.pid)
        return started in (self.started, "") and not _is_zombie(self.pid)


@dataclass(frozen=True)
class Verdict:
    """Whether a run's process lives, None if nobody can tell, and why that is thought, in words."""

    alive: bool | None
    why: str


def signs_of_life() -> dict[str, str]:
    """The tags with which this process makes a run its own."""
    return {**Process.own().tags(), HEARTBEAT_TAG: heartbeat()}


def heartbeat() -> str:
    """The value of the tag at this moment: 2026-11-22T21:05:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def last_heartbeat(tags: Mapping[str, str]) -> int | None:
    """When a run last said that it goes on, in milliseconds since 1970; None if it never did."""
    try:
        return int(datetime.fromisoformat(tags[HEARTBEAT_TAG]).timestamp() * 1000)
    except (KeyError, ValueError, TypeError):
        return None


def judge(tags: Mapping[str, str], heard: int, now: int) -> Verdict:
    """Whether the process that a run's tags name lives; `heard`: when it was last heard of, in milliseconds since 1970.

    A process of this machine is looked for. Of others there is only the heartbeat; so it is with one of this
    machine before its last start, since another machine may have the same name.
    """
    process = Process.of(tags)
    if process is None:
        return Verdict(None, "nothing tells which process it belongs to: an older version or another tool recorded it")
    if process.can_be_seen_from(Process.own()):
        if process.is_there():
            return Verdict(True, f"process {process.pid} goes on")
        return Verdict(False, f"process {process.pid} of this machine is gone, last heard of {shown_time(heard)}")
    if now - heard > SILENT_SECONDS * 1000:
        return Verdict(
            False, f"nothing was heard from process {process.pid} of {process.host} since {shown_time(heard)}"
        )
    return Verdict(True, f"process {process.pid} of {process.host} was heard of {max(0, now - heard) // 1000} s ago")


def shown_time(milliseconds: int) -> str:
    """A time for people: 2026-11-22 21:05 UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _started(pid: int) -> str:
    """When a process began; empty if the system does not say."""
    with suppress(OSError, IndexError):
        return _stat(pid)[19]
    with suppress(psutil.Error):  # no /proc; there psutil's figure does not depend on the clock
        return f"{psutil.Process(pid).create_time():.2f}"
    return ""


def _is_zombie(pid: int) -> bool:
    """Whether it has ended and only its parent has not looked yet."""
    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
    return False


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
