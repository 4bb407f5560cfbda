import numpy as np
import pytest

from cifar.proof import CIFAR10, DataError, Proof, as_labels, refused, sha256


def test_the_true_arrays_pass(tiny):
    tiny.proof.check(tiny.arrays, "here")


def test_one_changed_pixel_is_refused_with_both_hashes(tiny):
    images = tiny.arrays.test_images.copy()
    images[3, 2, 1, 0] ^= 1
    with pytest.raises(DataError) as caught:
        tiny.proof.check(tiny.arrays._replace(test_images=images), "here")
    assert str(caught.value) == f"here: test_images: sha256 {sha256(images)}; expected {tiny.proof.test_images}"


def test_swapped_labels_are_refused(tiny):
    with pytest.raises(DataError, match="here: train_labels: sha256"):
        tiny.proof.check(tiny.arrays._replace(train_labels=tiny.arrays.train_labels[::-1]), "here")


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.zeros((1, 32, 32, 3), np.uint8), "uint8 (1, 32, 32, 3)"),
        (np.zeros((20, 3, 32, 32), np.uint8), "uint8 (20, 3, 32, 32)"),
        (np.zeros((20, 32, 32, 3), np.uint16), "uint16 (20, 32, 32, 3)"),
        (np.full((20, 32, 32, 3), np.nan, np.float32), "float32 (20, 32, 32, 3)"),
    ],
)
def test_a_wrong_shape_or_type_is_refused_with_what_was_expected(tiny, images, found):
    with pytest.raises(DataError) as caught:
        tiny.proof.check(tiny.arrays._replace(train_images=images), "here")
    assert str(caught.value) == f"here: train_images: {found}; expected uint8 (20, 32, 32, 3)"


@pytest.mark.parametrize("values", [[1, 9, 0], np.array([1, 9, 0], np.int64), np.array([[1], [9], [0]], np.uint8)])
def test_labels_are_taken_from_any_whole_numbers(values):
    labels = as_labels(values, "here")
    assert labels.tolist() == [1, 9, 0]
    assert labels.dtype == np.uint8


@pytest.mark.parametrize(
    "values", [[1, 10], [-1, 0], [0.5], [float("nan")], ["a"], [], None, [[1, 2], [3]], [[1, 2]], {"a": 1}, [2**70]]
)
def test_other_labels_are_refused(values):
    with pytest.raises(DataError, match=r"^here: .*expected whole numbers 0 to 9, one for each image$"):
        as_labels(values, "here")


def test_a_refusal_is_one_line_whatever_its_cause_says():
    assert str(refused("file", "two\nlines", "one")) == "file: two lines; expected one"


def test_the_real_proof_is_the_published_one():
    assert (CIFAR10.train, CIFAR10.test) == (50_000, 10_000)
    assert CIFAR10.shape("train_images") == (50_000, 32, 32, 3)
    assert [value[:8] for value in CIFAR10.hashes.values()] == ["47af8b02", "2b7cd2f2", "f9b1e213", "cec8a24a"]


def test_a_proof_made_from_arrays_names_their_counts(tiny):
    assert (Proof.of(tiny.arrays).train, Proof.of(tiny.arrays).test) == (20, 10)
