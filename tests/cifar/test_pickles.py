import os
import pickle
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

from cifar.pickles import read_plain_pickle
from cifar.proof import DataError


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_a_batch_written_by_python_2_is_read(tiny):
    batch = read_plain_pickle(tiny.batches()["data_batch_1"], "here")
    assert batch["labels"] == [0, 1, 2, 3]
    assert batch["batch_label"] == b"a batch"
    expected = tiny.arrays.train_images[:4].transpose(0, 3, 1, 2).reshape(4, 3072)
    np.testing.assert_array_equal(batch["data"], expected)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_batch_written_by_python_3_is_read(tiny, protocol):
    batch = read_plain_pickle(tiny.batches(partial(pickle.dumps, protocol=protocol))["test_batch"], "here")
    assert batch["labels"] == list(range(10))
    assert batch["data"].shape == (10, 3072)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_asks_for_a_function_is_refused_and_nothing_runs(tmp_path, protocol):
    content = pickle.dumps({b"data": Evil(tmp_path / "marker")}, protocol=protocol)
    with pytest.raises(DataError, match=r"it asks for posix\.mkdir, and only plain arrays are read"):
        read_plain_pickle(content, "here")
    assert list(tmp_path.iterdir()) == []


def test_an_array_of_objects_is_refused_and_nothing_runs(tmp_path):
    content = pickle.dumps({"data": np.array([Evil(tmp_path / "marker")], dtype=object)}, protocol=2)
    with pytest.raises(DataError):
        read_plain_pickle(content, "here")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("array", [np.zeros(4, np.float32), np.zeros((2, 3), np.uint8, order="F"), np.array([None])])
def test_an_array_that_is_not_of_bytes_in_c_order_is_refused(array):
    with pytest.raises(DataError, match=r"^here: data: no plain array .*expected uint8 in C order$"):
        read_plain_pickle(pickle.dumps({"data": array}, protocol=2), "here")


def test_a_declared_shape_larger_than_the_bytes_is_refused(tiny):
    content = tiny.batches()["data_batch_1"].replace(b"M\x00\x0c\x86", b"J\x00\x00\x00\x7f\x86")
    with pytest.raises(DataError, match=r"shape \(4, 2130706432\), 12288 bytes"):
        read_plain_pickle(content, "here")


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x80\x02}", pickle.dumps([1, 2])])
def test_bytes_that_are_no_pickled_dict_are_refused(content):
    with pytest.raises(DataError, match=r"^here: .*expected a pickled"):
        read_plain_pickle(content, "here")


def test_a_flipped_byte_ends_in_a_value_or_a_refusal_and_in_nothing_else(tiny):
    content = tiny.batches()["data_batch_1"]
    for place in [*range(250), *range(len(content) - 60, len(content))]:
        for bits in (1, 128, 255):
            damaged = bytearray(content)
            damaged[place] ^= bits
            with suppress(DataError):
                read_plain_pickle(bytes(damaged), "here")
