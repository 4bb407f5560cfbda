import hashlib
import io
import os
import pickle
import struct
import tarfile
import zlib
from functools import partial

import numpy as np
import pytest
from PIL import Image

from cifar.archives import ARCHIVE_SHA256, file_sha256, kind_of, read_arrays
from cifar.proof import DataError


def message(tiny, path):
    def read():
        tiny.proof.check(read_arrays(path, tiny.proof, path.name), path.name)

    with pytest.raises(DataError) as caught:
        read()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["archive", "folder", "npm", "npz"])
def test_every_form_gives_the_same_proven_arrays(tiny, tmp_path, form):
    path = getattr(tiny, form)(tmp_path / ("a.npz" if form == "npz" else "a"))
    arrays = read_arrays(path, tiny.proof, "a")
    tiny.proof.check(arrays, "a")
    assert all(array.flags.c_contiguous and array.dtype == np.uint8 for array in arrays)


def test_an_archive_of_protocol_4_pickles_is_read(tiny, tmp_path):
    path = tiny.archive(tmp_path / "a.tar.gz", tiny.batches(partial(pickle.dumps, protocol=4)))
    tiny.proof.check(read_arrays(path, tiny.proof, "a"), "a")


def test_the_folder_around_the_unpacked_folder_will_do(tiny, tmp_path):
    tiny.folder(tmp_path / "cifar-10-batches-py")
    tiny.proof.check(read_arrays(tmp_path, tiny.proof, "a"), "a")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_a_cut_archive_is_refused_by_name_with_both_hashes(tiny, tmp_path, share):
    path = tiny.archive(tmp_path / "a.tar.gz")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    said = message(tiny, path)
    assert said.startswith("a.tar.gz: cut short or damaged (")
    assert f"{path.stat().st_size} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}" in said
    assert ARCHIVE_SHA256 in said


def test_a_flipped_byte_in_an_archive_never_passes_unnoticed(tiny, tmp_path):
    path = tiny.archive(tmp_path / "a.tar.gz")
    content = path.read_bytes()
    for place in range(12, len(content), len(content) // 60):
        damaged = bytearray(content)
        damaged[place] ^= 16
        path.write_bytes(damaged)
        message(tiny, path)


def test_a_flipped_byte_in_a_batch_is_refused_with_both_hashes(tiny, tmp_path):
    files = tiny.batches()
    batch = bytearray(files["data_batch_3"])
    batch[5000] ^= 1
    said = message(tiny, tiny.archive(tmp_path / "a.tar.gz", files | {"data_batch_3": bytes(batch)}))
    assert said.startswith("a.tar.gz: train_images: sha256 ")
    assert said.endswith(f"; expected {tiny.proof.train_images}")


def test_a_missing_batch_is_named(tiny, tmp_path):
    files = tiny.batches()
    del files["data_batch_4"]
    said = message(tiny, tiny.archive(tmp_path / "a.tar.gz", files))
    assert said.startswith("a.tar.gz: no data_batch_4 in it; expected the files data_batch_1, data_batch_2,")


def test_a_missing_file_in_a_folder_is_named(tiny, tmp_path):
    folder = tiny.folder(tmp_path / "mine")
    (folder / "test_batch").unlink()
    assert message(tiny, folder).startswith("mine: no test_batch in it;")


def test_a_batch_with_other_rows_than_labels_is_refused(tiny, tmp_path):
    batch = tiny.batch(*tiny.arrays[2:]) | {"labels": [1, 2, 3]}
    files = tiny.batches() | {"test_batch": pickle.dumps(batch, protocol=2)}
    said = message(tiny, tiny.archive(tmp_path / "a.tar.gz", files))
    assert said == "a.tar.gz: test_batch: data: shape (10, 3072); expected (3, 3072) for 3 labels"


def test_a_batch_with_label_10_is_refused(tiny, tmp_path):
    batch = tiny.batch(*tiny.arrays[2:]) | {"labels": [10] * 10}
    files = tiny.batches() | {"test_batch": pickle.dumps(batch, protocol=2)}
    said = message(tiny, tiny.archive(tmp_path / "a.tar.gz", files))
    assert said.startswith("a.tar.gz: test_batch: labels: label 10; expected whole numbers 0 to 9")


@pytest.mark.parametrize("start", [b"<!DOCTYPE html><html>", b"\n  <html><body>Sign in</body></html>"])
def test_an_html_page_in_place_of_an_archive_is_called_one(tiny, tmp_path, start):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(start)
    assert message(tiny, path) == "a.tar.gz: an HTML page; expected cifar-10-batches-py as tar.gz or folder, or an npz"


def test_an_unknown_kind_of_file_is_refused_with_its_hash(tiny, tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(b"what")
    assert f"a.tar.gz: an unknown kind of file (4 bytes, sha256 {file_sha256(path)})" in message(tiny, path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^a: no such file; expected"):
        kind_of(tmp_path / "a", "a")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(DataError, match=r"^a: not a regular file; expected"):
        kind_of(tmp_path / "a", "a")


def test_a_name_too_long_for_a_file_is_refused(tiny, tmp_path):
    assert "File name too long" in message(tiny, tmp_path / ("a" * 300))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_under_an_expected_name_are_not_read(tiny, tmp_path, kind, make_tar):
    member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    member.type, member.linkname = kind, "/etc/hostname"
    path = tmp_path / "a.tar.gz"
    path.write_bytes(make_tar({}, member))
    assert message(tiny, path).startswith("a.tar.gz: no data_batch_1, data_batch_2,")


def test_nothing_outside_is_written_by_paths_that_lead_there(tiny, tmp_path, make_tar):
    inside = tmp_path / "inside"
    inside.mkdir()
    files = {f"cifar-10-batches-py/{name}": content for name, content in tiny.batches().items()}
    files |= {"../outside": b"x", str(tmp_path / "absolute"): b"x", "cifar-10-batches-py/../../up": b"x"}
    path = inside / "a.tar.gz"
    path.write_bytes(make_tar(files))
    tiny.proof.check(read_arrays(path, tiny.proof, "a"), "a")
    assert list(tmp_path.iterdir()) == [inside]
    assert list(inside.iterdir()) == [path]


def test_a_member_larger_than_any_true_one_is_refused_unread(tiny, tmp_path, make_tar):
    path = tmp_path / "a.tar.gz"
    member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    member.size = 10 * 2**30
    path.write_bytes(make_tar({}, member))
    assert message(tiny, path) == (
        "a.tar.gz: cifar-10-batches-py/data_batch_1: 10737418240 bytes; expected at most 67108864"
    )


def test_a_sparse_member_is_not_read(tiny, tmp_path, make_tar):
    member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    member.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,0"}
    member.pax_headers |= {"GNU.sparse.size": str(10 * 2**30)}
    path = tmp_path / "a.tar.gz"
    path.write_bytes(make_tar({}, member))
    assert message(tiny, path).startswith("a.tar.gz: no data_batch_1, data_batch_2,")


def test_a_picture_of_another_size_is_refused_from_its_header(tiny, tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (512, 8)).save(picture, "PNG")
    files = tiny.npm_files() | {"data_batch_2.png": picture.getvalue()[:60]}
    said = message(tiny, tiny.archive(tmp_path / "a.tgz", files, "package"))
    expected = "an RGB picture 1024 pixels wide and up to 10000 high"
    assert said == f"a.tgz: data_batch_2.png: RGB 512 x 8; expected {expected}"


def test_a_cut_picture_is_refused_by_name(tiny, tmp_path):
    files = tiny.npm_files()
    files["test_batch.png"] = files["test_batch.png"][:9000]
    said = message(tiny, tiny.archive(tmp_path / "a.tgz", files, "package"))
    assert said.startswith("a.tgz: test_batch.png: not read as PNG (")


@pytest.mark.parametrize("content", [b"[1, 2", b"{}", b'"text"', b"[[1], 2]", b"\xff", b"[" * 100_000])
def test_labels_that_are_no_list_of_numbers_are_refused(tiny, tmp_path, content):
    files = tiny.npm_files() | {"train_lables.json": content}
    said = message(tiny, tiny.archive(tmp_path / "a.tgz", files, "package"))
    assert said.startswith("a.tgz: train_lables.json: ")


def test_a_picture_of_a_billion_pixels_is_refused_by_name(tiny, tmp_path):
    header = struct.pack(">II5B", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    files = tiny.npm_files()
    files["data_batch_1.png"] = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
    said = message(tiny, tiny.archive(tmp_path / "a.tgz", files, "package"))
    assert said.startswith("a.tgz: data_batch_1.png: not read as PNG (")
