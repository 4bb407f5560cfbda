from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.tracking.service import TrackingError
from experiments.tracking.staging import copies_of, keep


def test_a_file_is_kept_under_its_name(tmp_path: Path) -> None:
    assert keep(tmp_path, "a/b.txt", lambda path: path.write_text("x")) == "artifacts/a/b.txt"
    assert (tmp_path / "artifacts/a/b.txt").read_text() == "x"


def test_the_disk_has_the_file_before_its_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", watch)
    keep(tmp_path, "a/b.txt", lambda path: path.write_text("x"))
    assert synced == [".part.b.txt", "a"]


def test_a_file_that_could_not_be_written_leaves_the_earlier_one(tmp_path: Path) -> None:
    keep(tmp_path, "a.txt", lambda path: path.write_text("earlier"))

    def half(path: Path) -> None:
        path.write_text("ha")
        raise OSError(28, "No space left on device")

    with pytest.raises(TrackingError) as caught:
        keep(tmp_path, "a.txt", half)
    path = tmp_path / "artifacts" / "a.txt"
    assert str(caught.value) == f"{path}: cannot be kept with the run (No space left on device)"
    assert [(file.name, file.read_text()) for file in path.parent.iterdir()] == [("a.txt", "earlier")]


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a//b", "a#b", "%2e%2e/a"])
def test_a_name_that_a_store_would_refuse_or_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TrackingError, match="the artifact cannot be kept: Invalid "):
        keep(tmp_path, name, lambda path: path.write_text("x"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_text("a")
    (tmp_path / "in" / "deep" / "b.txt").write_text("b")
    assert [name for name, _ in copies_of(tmp_path / "in", "to")] == ["to/a.txt", "to/deep/b.txt"]
    assert [name for name, _ in copies_of(tmp_path / "in" / "a.txt", "")] == ["a.txt"]
    for name, copy in copies_of(tmp_path / "in", ""):
        copy(tmp_path / Path(name).name)
    assert (tmp_path / "b.txt").read_text() == "b"
