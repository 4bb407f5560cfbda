"""The pictures of a run: what they say, and that their labels can be read."""

from __future__ import annotations

import io
import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from cifar.config import CLASS_NAMES
from cifar.evaluation import Evaluation, evaluate
from cifar.figures import confident_mistakes, confusion_matrix, learning_curves, per_class_accuracy

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)


def epochs(count: int, **more: float) -> list[dict[str, float]]:
    """A history whose validation accuracy rises to 0.6 in epoch 3, then falls."""
    best = [0.4, 0.5, 0.6, 0.55, 0.5]
    return [
        {"loss": 2 / epoch, "accuracy": 1 - 1 / (epoch + 1), "val_loss": 2.0, "val_accuracy": best[(epoch - 1) % 5]}
        | more
        for epoch in range(1, count + 1)
    ]


def answers(predicted: list[int], truth: list[int], confidence: float = 0.91) -> Evaluation:
    rows = np.full((len(predicted), 10), (1 - confidence) / 9)
    rows[np.arange(len(predicted)), predicted] = confidence
    return evaluate(rows, truth)


@pytest.fixture
def mixed() -> Evaluation:
    """40 images, four of each class; those of class 3 are all taken for class 5, one of class 1 for class 9."""
    truth = [image % 10 for image in range(40)]
    return answers([9 if i == 1 else 5 if t == 3 else t for i, t in enumerate(truth)], truth)


def drawn(figure: Figure) -> Image.Image:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file)


def shown(figure: Figure) -> list[Text]:
    """The texts that a reader sees; matplotlib also keeps labels of ticks outside the axes."""
    drawn(figure)
    outside = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval()) if axis.axes.axison else (1, 0)
        outside |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    found = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    return [text for text in found if text.get_visible() and text.get_text() and text not in outside]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in shown(figure)]


def assert_readable(figure: Figure) -> None:
    """No label meets another or is cut off; of the slanted ones, whose boxes are mostly empty, only the latter."""
    width, height = drawn(figure).size
    boxes = {text: text.get_window_extent() for text in shown(figure)}
    for text, box in boxes.items():
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    upright = [text for text in boxes if text.get_rotation() % 90 == 0]
    for one, other in itertools.combinations(upright, 2):
        assert not boxes[one].overlaps(boxes[other]), (one, other)


def test_curves_name_the_best_validation_epoch_and_mark_it_in_both_panels() -> None:
    figure = learning_curves(epochs(5), "model1, rmsprop")
    assert {"model1, rmsprop", "training", "validation", "best validation: 60.0 %, epoch 3"} <= set(texts(figure))
    for axes in figure.axes:
        training, validation, best = axes.lines
        assert np.asarray(training.get_xdata()).tolist() == [1, 2, 3, 4, 5]
        assert np.asarray(best.get_xdata()).tolist() == [3, 3]
        assert validation.get_linestyle() != training.get_linestyle()  # told apart without colour, too


def test_the_first_of_equally_good_epochs_is_the_best() -> None:
    assert "best validation: 60.0 %, epoch 3" in texts(learning_curves(epochs(10), "twice 0.6"))


def test_curves_without_validation_show_training_alone() -> None:
    seen = texts(learning_curves([{"loss": 1.0, "accuracy": 0.5}, {"loss": 0.9, "accuracy": 0.6}], "all images"))
    assert "training" in seen
    assert not any("validation" in text for text in seen)


def test_a_single_epoch_shows_points() -> None:
    figure = learning_curves(epochs(1), "one epoch")
    assert all(axes.lines[0].get_marker() == "o" and axes.lines[0].get_markersize() > 0 for axes in figure.axes)
    assert_readable(figure)


def test_a_loss_that_is_not_a_number_leaves_a_gap() -> None:
    history = [*epochs(3), {"loss": math.nan, "accuracy": 0.1, "val_loss": math.nan, "val_accuracy": math.nan}]
    assert "best validation: 60.0 %, epoch 3" in texts(learning_curves(history, "blew up"))
    drawn(learning_curves([dict.fromkeys(history[0], math.nan)], "nothing but NaN"))


def test_no_epoch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one epoch"):
        learning_curves([], "none")


def test_confusion_is_in_percent_of_the_true_class(mixed: Evaluation) -> None:
    figure = confusion_matrix(mixed)
    cells = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert cells[(5, 3)] == "100"  # column dog, row cat
    assert (cells[(1, 1)], cells[(9, 1)]) == ("75", "25")
    assert len(cells) == 11  # zeros are left out
    assert "Confusion matrix: 87.50 % of 40 images right" in texts(figure)


def test_classes_are_sorted_by_accuracy_and_equals_keep_their_order(mixed: Evaluation) -> None:
    axes = per_class_accuracy(mixed).axes[0]
    names = [label.get_text() for label in reversed(axes.get_yticklabels())]  # from the top
    right = [name for name in CLASS_NAMES if name not in ("automobile", "cat")]
    assert names == [f"{name}   100.0 %" for name in right] + ["automobile   75.0 %", "cat   0.0 %"]


def test_classes_without_images_have_no_bar() -> None:
    axes = per_class_accuracy(answers([3, 5], [3, 3])).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat   50.0 %"]


def test_each_mistake_stands_under_its_truth_and_what_it_was_taken_for(mixed: Evaluation) -> None:
    figure = confident_mistakes(IMAGES, mixed)
    (axes,) = figure.axes
    captions = [text.get_text() for text in axes.texts]
    assert captions == ["automobile\n→ truck 91 %"] + ["cat\n→ dog 91 %"] * 4
    assert np.array_equal(np.asarray(axes.images[1].get_array()), IMAGES[3])
    for picture, caption in zip(axes.images, axes.texts, strict=True):
        left, _, _, top = picture.get_extent()
        assert caption.get_position() == (left, top - 1)


def test_pictures_are_enlarged_without_blur(mixed: Evaluation) -> None:
    figure = confident_mistakes(IMAGES, mixed, count=1)
    (picture,) = figure.axes[0].images
    assert picture.get_interpolation() == "nearest"


def test_a_network_without_mistakes_says_so() -> None:
    figure = confident_mistakes(IMAGES[:2], answers([1, 2], [1, 2]))
    assert texts(figure) == ["No mistakes: 100.00 % of 2 images right"]


def test_images_of_another_set_are_refused(mixed: Evaluation) -> None:
    with pytest.raises(ValueError, match="39 images for 40 predictions"):
        confident_mistakes(IMAGES[:39], mixed)


def test_every_label_can_be_read(mixed: Evaluation) -> None:
    longest = answers([1] * 30, [0] * 30, 0.996)  # airplane -> automobile 100 %
    for figure in (
        learning_curves(epochs(15), "model1, rmsprop"),
        learning_curves(epochs(1000), "model1, rmsprop"),
        confusion_matrix(mixed),
        confusion_matrix(longest),
        per_class_accuracy(mixed),
        per_class_accuracy(longest),
        confident_mistakes(np.repeat(IMAGES[:1], 30, axis=0), longest),
    ):
        assert_readable(figure)
        assert drawn(figure).width == 1200


def test_figures_do_without_pyplot() -> None:
    check = "import sys, cifar.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
