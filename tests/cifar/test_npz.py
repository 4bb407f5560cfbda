import io
import os
import zipfile

import numpy as np
import pytest

from cifar.npz import read_npz
from cifar.proof import DataError


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("columns", [(), (1,)])
def test_labels_may_be_a_list_or_a_column_of_any_whole_number_type(tiny, tmp_path, dtype, columns):
    labels = tiny.arrays.train_labels.astype(dtype).reshape(20, *columns)
    arrays = read_npz(tiny.npz(tmp_path / "a.npz", y_train=labels), tiny.proof, "a.npz")
    tiny.proof.check(arrays, "a.npz")


def test_images_in_fortran_order_are_the_same_images(tiny, tmp_path):
    path = tiny.npz(tmp_path / "a.npz", x_train=np.asfortranarray(tiny.arrays.train_images))
    arrays = read_npz(path, tiny.proof, "a.npz")
    assert arrays.train_images.flags.c_contiguous
    tiny.proof.check(arrays, "a.npz")


def test_an_npz_with_pickles_is_refused_and_nothing_runs(tiny, tmp_path):
    path = tiny.npz(tmp_path / "a.npz", y_train=np.array([Evil(tmp_path / "marker")] * 20, dtype=object))
    with pytest.raises(DataError) as caught:
        read_npz(path, tiny.proof, "a.npz")
    assert str(caught.value) == "a.npz: y_train: pickled Python objects; expected a plain array of shape (20,)"
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_train": np.zeros(20, np.float32)}, "y_train: float32 (20,); expected whole numbers (20,)"),
        ({"y_test": np.zeros((10, 2), int)}, "y_test: int64 (10, 2); expected whole numbers (10,)"),
        ({"y_test": np.full(10, 10)}, "y_test: label 10; expected whole numbers 0 to 9, one for each image"),
        (
            {"x_train": np.full((20, 32, 32, 3), np.nan)},
            "x_train: train_images: float64 (20, 32, 32, 3); expected uint8 (20, 32, 32, 3)",
        ),
        (
            {"x_train": np.zeros((20, 3, 32, 32), np.uint8)},
            "x_train: train_images: uint8 (20, 3, 32, 32); expected uint8 (20, 32, 32, 3)",
        ),
        (
            {"x_test": np.zeros((1, 32, 32, 3), np.uint8)},
            "x_test: test_images: uint8 (1, 32, 32, 3); expected uint8 (10, 32, 32, 3)",
        ),
        (
            {"x_test": np.zeros((10, 32, 32, 3), np.uint16)},
            "x_test: test_images: uint16 (10, 32, 32, 3); expected uint8 (10, 32, 32, 3)",
        ),
    ],
)
def test_wrong_shapes_types_and_labels_are_refused(tiny, tmp_path, changed, message):
    with pytest.raises(DataError) as caught:
        read_npz(tiny.npz(tmp_path / "a.npz", **changed), tiny.proof, "a.npz")
    assert str(caught.value) == f"a.npz: {message}"


def test_a_declared_shape_of_10_gb_is_refused_from_the_header(tiny, tmp_path):
    path = tmp_path / "a.npz"
    header = io.BytesIO()
    shape = (3_255_208, 32, 32, 3)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
    with pytest.raises(DataError, match=r"uint8 \(3255208, 32, 32, 3\); expected uint8 \(20, 32, 32, 3\)"):
        read_npz(path, tiny.proof, "a.npz")


def test_a_header_that_may_be_of_any_size_is_refused(tiny, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x_train.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff")
    with pytest.raises(DataError, match=r"^a.npz: x_train: npy format \(2, 0\); expected \(1, 0\)"):
        read_npz(tmp_path / "a.npz", tiny.proof, "a.npz")


def test_a_missing_array_is_named(tiny, tmp_path):
    np.savez(tmp_path / "a.npz", x_train=tiny.arrays.train_images)
    with pytest.raises(DataError) as caught:
        read_npz(tmp_path / "a.npz", tiny.proof, "a.npz")
    assert str(caught.value) == "a.npz: no array y_train; expected arrays x_train, y_train, x_test, y_test"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_npz_is_refused_by_name(tiny, tmp_path, share):
    path = tiny.npz(tmp_path / "a.npz")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=r"^a.npz: cut short or damaged .*expected an intact npz$"):
        read_npz(path, tiny.proof, "a.npz")


def test_a_flipped_byte_in_the_images_is_refused(tiny, tmp_path):
    path = tiny.npz(tmp_path / "a.npz")
    content = bytearray(path.read_bytes())
    content[30_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="Bad CRC-32"):
        read_npz(path, tiny.proof, "a.npz")
