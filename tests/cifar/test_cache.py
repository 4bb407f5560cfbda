import errno
import json
import os
import shutil
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from cifar.cache import cache_root, cached, prove
from cifar.proof import DataError, refused


class Fetch:
    """Gives the arrays and remembers the folders that it was given."""

    def __init__(self, arrays):
        self.arrays, self.folders, self.modes = arrays, [], []

    def __call__(self, folder):
        self.folders.append(folder)
        self.modes.append(stat.S_IMODE(folder.stat().st_mode))
        (folder / "download").write_bytes(b"x")
        return self.arrays, "a test"


def never(folder):
    raise AssertionError("fetched")


@pytest.fixture
def fetch(tiny):
    return Fetch(tiny.arrays)


@pytest.fixture
def folder(tmp_path, tiny, fetch):
    """A cache that is filled, proven and has said so."""
    cached(tmp_path / "cache", tiny.proof, fetch)
    return tmp_path / "cache"


def test_a_cold_cache_is_filled_once_and_then_read(tmp_path, tiny, fetch):
    arrays, source = cached(tmp_path / "deep" / "cache", tiny.proof, fetch)
    assert source == "a test"
    tiny.proof.check(arrays, "cache")
    arrays, source = cached(tmp_path / "deep" / "cache", tiny.proof, never)
    assert source == "cache, from a test"
    tiny.proof.check(arrays, "cache")


def test_the_arrays_are_memory_mapped_and_read_only(folder, tiny):
    arrays, _ = cached(folder, tiny.proof, never)
    assert all(isinstance(array, np.memmap) and array.dtype == np.uint8 for array in arrays)
    assert not arrays.train_images.flags.writeable


def test_the_temporary_folder_lies_in_the_cache_is_private_and_goes(folder, fetch):
    assert fetch.modes == [0o700]
    assert fetch.folders[0].parent == folder
    files = ["proof.json", "test_images.npy", "test_labels.npy", "train_images.npy", "train_labels.npy"]
    assert sorted(path.name for path in folder.iterdir() if path.name != "lock") == files


def test_the_temporary_folder_goes_when_fetching_fails(tmp_path, tiny):
    def fail(folder):
        (folder / "download").write_bytes(b"x")
        raise refused("source", "no")

    with pytest.raises(DataError, match=r"^source: no$"):
        cached(tmp_path / "cache", tiny.proof, fail)
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.name != "lock"] == []


def test_what_a_killed_process_left_behind_is_removed(tmp_path, tiny, fetch):
    leftover = tmp_path / "cache" / "fetch-killed"
    leftover.mkdir(parents=True)
    (leftover / "download").write_bytes(b"x")
    cached(tmp_path / "cache", tiny.proof, fetch)
    assert not leftover.exists()


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def spoil_header(path):
    path.write_bytes(b"\x93NUMPY\x01\x00" + path.read_bytes()[8:].replace(b"u1", b"O8"))


@pytest.mark.parametrize("damage", [flip, cut, empty, spoil_header, Path.unlink])
@pytest.mark.parametrize("name", ["train_images", "test_labels"])
def test_a_damaged_cache_is_noticed_and_fetched_again_with_one_line(folder, tiny, fetch, damage, name, capsys):
    damage(folder / f"{name}.npy")
    arrays, source = cached(folder, tiny.proof, fetch)
    assert source == "a test"
    assert len(fetch.folders) == 2
    tiny.proof.check(arrays, "cache")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"CIFAR-10: the cache {folder} is damaged (cache: ")
    assert line.endswith("; fetching the data again")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": {}}'])
def test_a_damaged_manifest_is_made_again_from_proven_arrays(folder, tiny, content):
    (folder / "proof.json").write_text(content)
    arrays, source = cached(folder, tiny.proof, never)
    tiny.proof.check(arrays, "cache")
    assert source == "cache, from a copied cache"
    assert json.loads((folder / "proof.json").read_text())["source"] == "a copied cache"


def test_a_copied_cache_is_proven_again_and_then_trusted(folder, tiny, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    assert cached(copy, tiny.proof, never)[1] == "cache, from a test"
    manifest = json.loads((copy / "proof.json").read_text())
    assert manifest["files"]["train_images"] == {
        "sha256": tiny.proof.train_images,
        "size": (copy / "train_images.npy").stat().st_size,
        "mtime_ns": (copy / "train_images.npy").stat().st_mtime_ns,
    }


def test_a_copied_cache_that_is_only_readable_is_proven_and_taken(folder, tiny, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    monkeypatch.setattr("cifar.cache.FileLock", refusing)
    arrays, source = cached(copy, tiny.proof, never)
    assert source == "cache, from a test"
    tiny.proof.check(arrays, "cache")
    flip(copy / "test_labels.npy")
    with pytest.raises(DataError, match=r"cannot be used .*Read-only file system"):
        cached(copy, tiny.proof, never)


def refusing(path):
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_trusted_file_is_not_hashed_again(folder, tiny):
    path = folder / "test_labels.npy"
    status = path.stat()
    flip(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    arrays, _ = cached(folder, tiny.proof, never)
    with pytest.raises(DataError):  # the price of starting in milliseconds
        tiny.proof.check(arrays, "cache")


def test_the_cache_of_another_data_set_is_not_taken(folder, tiny, fetch):
    images = tiny.arrays.test_images.copy()
    images[0] = 0
    other = tiny.arrays._replace(test_images=images)
    arrays, _ = cached(folder, type(tiny.proof).of(other), Fetch(other))
    np.testing.assert_array_equal(arrays.test_images, images)


def test_a_cache_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path, tiny):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        cached(tmp_path / "file" / "cache", tiny.proof, never)
    assert str(caught.value).startswith(f"the cache {tmp_path / 'file' / 'cache'}: cannot be used ([Errno 20]")
    assert str(caught.value).endswith("that you can write, named with data.cache")


def test_arrays_still_in_use_survive_a_new_cache(folder, tiny, fetch):
    arrays, _ = cached(folder, tiny.proof, never)
    flip_by_replacing(folder / "test_labels.npy")
    cached(folder, tiny.proof, fetch)
    tiny.proof.check(arrays, "old")


def flip_by_replacing(path):
    copy = path.with_suffix(".other")
    shutil.copyfile(path, copy)
    flip(copy)
    copy.replace(path)


def test_loading_takes_milliseconds(folder, tiny):
    begin = time.perf_counter()
    cached(folder, tiny.proof, never)
    assert time.perf_counter() - begin < 0.5


def test_the_cache_lies_where_xdg_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / "cifar-experiments"


@pytest.mark.parametrize("value", ["", "relative"])
def test_a_relative_xdg_folder_is_ignored(monkeypatch, tmp_path, value):
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / ".cache" / "cifar-experiments"


def test_the_user_can_name_another_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root("~/mine") == tmp_path / "mine"


def test_a_cache_can_be_proven_without_being_filled_or_changed(folder, tmp_path, tiny):
    assert prove(folder, tiny.proof)
    assert not prove(tmp_path / "other", tiny.proof)
    assert not (tmp_path / "other").exists()
    before = sorted(folder.iterdir())
    np.save(folder / "test_labels.npy", 9 - tiny.arrays.test_labels)
    with pytest.raises(DataError, match="test_labels: sha256"):
        prove(folder, tiny.proof)
    (folder / "train_labels.npy").unlink()
    with pytest.raises(DataError, match="No such file"):
        prove(folder, tiny.proof)
    assert sorted(folder.iterdir()) == [path for path in before if path.name != "train_labels.npy"]
