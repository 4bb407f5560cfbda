"""What a network scores: each number worked out by hand."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from cifar.evaluation import Evaluation, evaluate, load_predictions, save_predictions


def row(**of_class: float) -> list[float]:
    """A distribution: `row(c3=0.7)` gives class 3 a probability of 0.7 and shares the rest evenly."""
    given = {int(name[1:]): value for name, value in of_class.items()}
    rest = (1 - sum(given.values())) / (10 - len(given))
    return [given.get(label, rest) for label in range(10)]


@pytest.fixture
def five() -> Evaluation:
    """Right, right, wrong at 0.6, wrong at 0.9, wrong at 0.6; class 1 has no images."""
    rows = [row(c0=0.5), row(c2=0.8), row(c3=0.6), row(c5=0.9), row(c5=0.6)]
    return evaluate(rows, [0, 2, 2, 3, 3])


def test_accuracy_is_the_share_of_right_predictions(five: Evaluation) -> None:
    assert five.predictions.tolist() == [0, 2, 3, 5, 5]
    assert five.accuracy == 0.4
    assert len(five) == 5


def test_loss_is_the_mean_cross_entropy(five: Evaluation) -> None:
    by_hand = -sum(map(math.log, [0.5, 0.8, 0.4 / 9, 0.1 / 9, 0.4 / 9])) / 5
    assert five.loss == pytest.approx(by_hand, rel=1e-6)


def test_loss_of_even_guesses_is_the_logarithm_of_ten() -> None:
    assert evaluate(np.full((4, 10), 0.1), [0, 1, 2, 3]).loss == pytest.approx(math.log(10), rel=1e-6)


def test_loss_is_clipped_as_keras_clips_it() -> None:
    certain = np.eye(10)
    assert evaluate(certain[[0]], [1]).loss == pytest.approx(-math.log(1e-7), rel=1e-12)  # 16.118
    assert evaluate(certain[[0]], [0]).loss == pytest.approx(1e-7, rel=1e-6)


def test_confusion_has_a_row_for_each_truth(five: Evaluation) -> None:
    expected = np.zeros((10, 10), int)
    expected[0, 0] = expected[2, 2] = expected[2, 3] = 1
    expected[3, 5] = 2
    assert np.array_equal(five.confusion, expected)
    assert five.confusion.sum() == 5


def test_per_class_accuracy_is_recall_and_nan_without_images(five: Evaluation) -> None:
    assert five.support.tolist() == [1, 0, 2, 2, 0, 0, 0, 0, 0, 0]
    assert five.per_class_accuracy[[0, 2, 3]].tolist() == [1.0, 0.5, 0.0]
    assert np.isnan(five.per_class_accuracy[[1, 4, 5, 6, 7, 8, 9]]).all()


def test_mistakes_come_most_confident_first_and_equals_in_order(five: Evaluation) -> None:
    assert five.most_confident_mistakes(2).tolist() == [3, 2]
    assert five.most_confident_mistakes(25).tolist() == [3, 2, 4]


def test_a_network_without_mistakes_has_none_to_show() -> None:
    assert evaluate(np.eye(10), range(10)).most_confident_mistakes(5).size == 0


def test_labels_may_be_bytes_as_in_the_archive() -> None:
    evaluation = evaluate(np.eye(10)[[9]], np.array([9], np.uint8))
    assert evaluation.labels.dtype == np.int64
    assert evaluation.confusion[9, 9] == 1


def test_rows_rounded_to_bfloat16_pass() -> None:
    softmax = np.random.default_rng(0).dirichlet(np.ones(10), 1000).astype(np.float32)
    rounded = (softmax.view(np.uint32) & 0xFFFF0000).view(np.float32)  # bfloat16 is the upper half of float32
    assert len(evaluate(rounded, np.zeros(1000, int))) == 1000


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.ones((3, 9)) / 9, [0, 1, 2], r"shape \(3, 9\): expected \(n, 10\)"),
        (np.ones((0, 10)), [], r"shape \(0, 10\)"),
        (np.full((2, 10), np.nan), [0, 1], "of image 0 are not finite"),
        ([row(), [3.0] * 10], [0, 1], "of image 1 sum to 30, the least is 3"),
        ([[1.5, -0.5] + [0.0] * 8], [0], "the least is -0.5"),
        ([row()], [0, 1], r"labels have shape \(2,\): expected \(1,\)"),
        ([row()], [row()], r"labels have shape \(1, 10\)"),
        ([row()], [0.0], "labels are float64: expected whole numbers"),
        ([row()], [10], "labels go from 10 to 10: expected 0 to 9"),
        ([row()], [-1], "labels go from -1 to -1"),
    ],
)
def test_what_is_no_distribution_or_no_class_is_refused(probabilities: object, labels: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(probabilities, labels)  # type: ignore[arg-type]


def test_saved_predictions_come_back_to_the_bit(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).dirichlet(np.ones(10), 100).astype(np.float32)
    before = evaluate(rows, np.arange(100) % 10)
    save_predictions(tmp_path / "predictions.npz", before)
    after = load_predictions(tmp_path / "predictions.npz")
    assert after.probabilities.tobytes() == before.probabilities.tobytes()
    assert np.array_equal(after.labels, before.labels)
    assert after.loss == before.loss


def test_the_file_holds_three_plain_arrays_under_the_name_that_was_given(tmp_path: Path, five: Evaluation) -> None:
    save_predictions(tmp_path / "no-ending", five)
    with np.load(tmp_path / "no-ending", allow_pickle=False) as arrays:
        described = {name: (str(arrays[name].dtype), arrays[name].shape) for name in arrays}
    assert described == {
        "probabilities": ("float32", (5, 10)),
        "labels": ("uint8", (5,)),
        "predictions": ("uint8", (5,)),
    }


def test_equal_evaluations_give_equal_files(tmp_path: Path, five: Evaluation) -> None:
    save_predictions(tmp_path / "a.npz", five)
    save_predictions(tmp_path / "b.npz", five)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_file_that_is_no_predictions_file_is_refused_by_name(tmp_path: Path, five: Evaluation) -> None:
    path = tmp_path / "p.npz"
    save_predictions(path, five)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    for wrong in (whole[:-40], bytes(flipped), b"", b"<html>", json.dumps([1]).encode(), pickle.dumps([1])):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"p\.npz: expected the predictions of a run"):
            load_predictions(path)


def test_a_file_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", probabilities=np.array([[{}] * 10]), labels=[0], predictions=[0])
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_predictions(tmp_path / "p.npz")


def test_predictions_that_contradict_their_probabilities_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", probabilities=[row(c3=0.9)], labels=[3], predictions=[4])
    with pytest.raises(ValueError, match="not the most probable classes"):
        load_predictions(tmp_path / "p.npz")


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_predictions(tmp_path / "none.npz")
