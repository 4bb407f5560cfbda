from __future__ import annotations

import fcntl
import json
import math
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from experiments.tracking.journal import JOURNAL_FILE, Entry, Journal, held, is_being_written, read_journal
from experiments.tracking.service import TrackingError

WRITE_UNTIL_KILLED = """
import os, signal, sys
from pathlib import Path
from experiments.tracking.journal import Journal

journal = Journal(Path(sys.argv[1]))
for number in range(10):
    journal.append("metrics", values=[["loss", 1 / (number + 1), number, number]])
    print(number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def filled(folder: Path) -> Path:
    """A journal of three entries."""
    journal = Journal(folder)
    journal.append("begin", id="a", name="ü ✓")
    journal.append("metrics", values=[("loss", 0.1 + 0.2, 1, 1)])
    journal.append("end", at=123, status="FINISHED")
    journal.close()
    return folder / JOURNAL_FILE


def test_what_was_written_is_read(tmp_path: Path) -> None:
    entries = read_journal(filled(tmp_path / "a" / "b"))
    assert [(entry.seq, entry.kind) for entry in entries] == [(1, "begin"), (2, "metrics"), (3, "end")]
    assert entries[0].facts == {"id": "a", "name": "ü ✓"}
    assert entries[1].facts == {"values": [["loss", 0.30000000000000004, 1, 1]]}
    assert entries[2] == Entry(3, 123, "end", {"status": "FINISHED"})
    assert entries[0].at <= entries[1].at


def test_it_is_json_lines_that_only_the_user_can_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [list(json.loads(line))[:3] for line in lines] == [["seq", "at", "kind"]] * 3
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_disk_has_an_entry_when_append_returns_and_the_folder_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path.name, path.stat().st_size if path.is_file() else 0))

    monkeypatch.setattr(os, "fsync", watch)
    journal = Journal(tmp_path / "run")
    assert {name for name, _ in synced} == {"run", tmp_path.name}
    for _ in range(2):
        journal.append("tags", values={"a": "b"})
        assert synced[-1] == (JOURNAL_FILE, journal.path.stat().st_size)
    journal.close()


def test_nothing_that_append_returned_from_is_lost_by_a_kill(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WRITE_UNTIL_KILLED, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == -9
    assert len(read_journal(tmp_path / JOURNAL_FILE)) == len(done.stdout.split()) == 10


@pytest.mark.parametrize("kept", range(1, 12))
def test_a_last_line_that_was_cut_off_is_left_out_and_written_over(tmp_path: Path, kept: int) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: -len(last)] + last[: len(last) * kept // 12])
    assert [entry.seq for entry in read_journal(path)] == [1, 2]
    journal = Journal(tmp_path)
    assert [entry.seq for entry in journal.found] == [1, 2]
    assert journal.append("end", status="KILLED").seq == 3
    journal.close()
    assert read_journal(path)[-1].facts == {"status": "KILLED"}


DAMAGED = (
    "",
    "null",
    "[]",
    '{"seq": 2}',
    '{"seq": 7, "at": 1, "kind": "x"}',
    '{"seq": 2, "at": 1e999, "kind": "x"}',
    "\x00\x00",
    "[" * 100_000,
)


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path, damage: str) -> None:
    path = filled(tmp_path)
    first, _, last = path.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{first}\n{damage}\n{last}\n", encoding="utf-8")
    with pytest.raises(TrackingError) as caught:
        read_journal(path)
    assert str(caught.value) == f"{path}: line 2 is damaged; restore the file from a copy, or put it away"


def test_a_value_that_json_does_not_know_is_an_error_and_not_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        journal.append("metrics", values=[math.nan])
    journal.append("end")
    journal.close()
    assert [entry.kind for entry in read_journal(journal.path)] == ["end"]


def test_only_one_process_writes_and_others_see_that(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert is_being_written(journal.path)
    with pytest.raises(TrackingError, match=r"journal\.jsonl: another process writes it; its run goes on, or"):
        Journal(tmp_path)
    journal.close()
    assert not is_being_written(journal.path)


def test_a_writer_is_not_turned_away_by_one_who_only_looks(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with path.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.1, looking.close).start()
        Journal(tmp_path).close()


def test_a_journal_is_held_by_one_who_brings_it_and_by_nobody_while_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with held(journal.path) as mine:
        assert not mine
    journal.close()
    with held(journal.path) as mine, held(journal.path) as another:
        assert (mine, another) == (True, False)
        with pytest.raises(TrackingError, match=r"or experiments\.sync brings it at this moment$"):
            Journal(tmp_path)
    with held(journal.path) as mine:
        assert mine


def test_without_locks_a_journal_of_the_last_hour_is_taken_for_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*arguments: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    path = filled(tmp_path)
    assert is_being_written(path)
    with held(path) as mine:
        assert not mine
    os.utime(path, (path.stat().st_mtime - 3700,) * 2)
    assert not is_being_written(path)
    with held(path) as mine:
        assert mine


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_FILE).symlink_to("/dev/full")
    journal = Journal(tmp_path)
    with pytest.raises(TrackingError) as caught:
        journal.append("begin")
    assert re.fullmatch(
        rf"{tmp_path}/journal\.jsonl: the run's journal cannot be written \(No space left on device\): \d\d bytes, "
        r"[\d,]+ are free\. Free some space, allow it to be written, or choose another folder "
        r"\(hydra\.run\.dir=\.\.\.\)",
        str(caught.value),
    )
    journal.close()


def test_a_clock_that_is_set_back_makes_no_entry_older_than_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", iter([5_000_000_000, 1_000_000_000, 6_000_000_000]).__next__)
    journal = Journal(tmp_path)
    assert [journal.append(kind).at for kind in "abc"] == [5000, 5000, 6000]
    journal.close()
    monkeypatch.setattr("time.time_ns", lambda: 2_000_000_000)
    again = Journal(tmp_path)
    assert (again.append("d").at, again.entry("e", at=1).at) == (6000, 1)
    again.close()


@pytest.mark.parametrize("folder", ["/sys/none", "/dev/full"])
def test_a_folder_that_cannot_be_written_to_is_named(folder: str) -> None:
    with pytest.raises(TrackingError, match=rf"^{folder}/journal\.jsonl: the run's journal cannot be written \("):
        Journal(Path(folder))


def test_what_came_of_nothing_is_taken_back(tmp_path: Path) -> None:
    new = Journal(tmp_path / "new")
    new.append("begin")
    new.undo()
    assert list((tmp_path / "new").iterdir()) == []
    path = filled(tmp_path / "old")
    before = path.read_bytes()
    old = Journal(tmp_path / "old")
    old.append("resume")
    old.undo()
    assert path.read_bytes() == before


def test_where_there_is_no_journal_there_are_no_entries(tmp_path: Path) -> None:
    assert read_journal(tmp_path / JOURNAL_FILE) == []
    assert not is_being_written(tmp_path / JOURNAL_FILE)


def test_one_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / JOURNAL_FILE
    path.touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")  # as another user's; the superuser may read all

    monkeypatch.setattr(Path, "open", refuse)
    for look in (read_journal, is_being_written):
        with pytest.raises(TrackingError) as error:
            look(path)
        assert str(error.value) == f"{path}: cannot be read (Permission denied)"
