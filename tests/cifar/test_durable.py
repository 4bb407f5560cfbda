"""A folder is there whole or not at all, and any change to its bytes is noticed."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cifar.durable import MANIFEST, DamagedError, read_folder, remove_folder, room, write_folder

FILES = {"a.bin": bytes(range(200)), "b.bin": b"b" * 1000, "empty": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "kept" / "one", FILES)
    return tmp_path / "kept" / "one"


def test_what_was_written_is_read(folder: Path) -> None:
    assert read_folder(folder, FILES) == FILES
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, MANIFEST])
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum")
def test_it_can_be_checked_by_hand(folder: Path) -> None:
    done = subprocess.run(["sha256sum", "-c", MANIFEST], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "a.bin: OK\nb.bin: OK\nempty: OK\n"


def test_only_the_owner_can_look_at_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_folder(tmp_path / "kept" / "one", FILES)
    finally:
        os.umask(before)
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "kept").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700


def test_another_one_takes_its_place(folder: Path) -> None:
    write_folder(folder, {"a.bin": b"new"})
    assert read_folder(folder, ["a.bin"]) == {"a.bin": b"new"}
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def cut_to(percent: int) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[: len(path.read_bytes()) * percent // 100])

    cut.__name__ = f"cut to {percent} %"
    return cut


def flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["a.bin", "b.bin", MANIFEST])
@pytest.mark.parametrize("damage", [cut_to(0), cut_to(50), cut_to(99), flip_one_bit, Path.unlink])
def test_damage_is_noticed_and_the_file_named(folder: Path, damage: Callable[[Path], None], name: str) -> None:
    damage(folder / name)
    with pytest.raises(DamagedError, match=MANIFEST if name == MANIFEST else name):
        read_folder(folder, FILES)


def test_what_damage_it_is_stands_in_one_line(folder: Path) -> None:
    (folder / "b.bin").write_bytes(b"b" * 999)
    with pytest.raises(DamagedError, match=r"^b\.bin \(999 bytes\) is not what SHA256SUMS says was written$"):
        read_folder(folder, FILES)
    (folder / "a.bin").unlink()
    with pytest.raises(DamagedError, match=r"^a\.bin is missing$"):
        read_folder(folder, FILES)


def test_every_single_bit_of_the_manifest_counts(folder: Path) -> None:
    content = (folder / MANIFEST).read_bytes()
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (folder / MANIFEST).write_bytes(flipped)
        with pytest.raises(DamagedError):
            read_folder(folder, FILES)


def test_a_manifest_that_names_one_more_file_is_noticed(folder: Path) -> None:
    with pytest.raises(DamagedError, match=r"^SHA256SUMS names other files than a\.bin$"):
        read_folder(folder, ["a.bin"])


def test_the_disk_confirms_the_files_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[int | str] = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        events.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        events.append(f"now it is {Path(target).name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    write_folder(tmp_path / "kept" / "one", FILES)
    names = {path.stat().st_ino: path.name for path in [tmp_path, *tmp_path.rglob("*")]}
    found = [names.get(event, event) for event in events]  # type: ignore[call-overload]
    assert found == [tmp_path.name, *FILES, MANIFEST, "one", "now it is one", "kept"]


def test_a_disk_that_is_full_leaves_what_was_there_and_nothing_else(folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))  # a larger file is an error, as on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            write_folder(folder, FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_folder(folder, FILES) == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_a_name_that_cannot_be_given_leaves_what_had_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename
    calls = []

    def fail_once(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(OSError, match="No space"):
        write_folder(folder, {"a.bin": b"other"})
    assert read_folder(folder, FILES) == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_an_interrupted_writer_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_folder(folder.with_name("two"), FILES)
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_what_a_killed_writer_left_is_swept_up(folder: Path) -> None:
    leftover = folder.with_name("unfinished-killed")
    leftover.mkdir()
    (leftover / "a.bin").write_bytes(b"half")
    write_folder(folder.with_name("two"), FILES)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["one", "two"]


def test_a_folder_goes_at_once_even_if_its_files_cannot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)
    remove_folder(folder)
    assert not folder.exists()
    monkeypatch.undo()
    write_folder(folder.with_name("two"), FILES)
    assert [path.name for path in folder.parent.iterdir()] == ["two"]


def test_removing_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    remove_folder(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_room_is_what_is_needed_beside_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 5, 4096))
    assert room(16_842_000, tmp_path) == "16,842,000 bytes, 4,096 are free"
    monkeypatch.undo()
    assert room(1, tmp_path / "none") == "1 bytes"
