"""The network of the peers' scripts."""

import keras
import numpy as np

from benchmarks.plain_keras import build_network, prepared
from cifar.config import Model1Config
from cifar.data import Split
from cifar.models import build_model


def test_the_network_is_that_of_this_project_with_the_settings_that_were_asked_for() -> None:
    theirs, ours = build_network(0.002, 0.1, 0.3, steps_per_execution=50), build_model(Model1Config(), 0)

    def kinds(model: keras.Model) -> list[tuple[str, tuple[int, ...], int]]:
        return [(type(layer).__name__, layer.output.shape, layer.count_params()) for layer in model.layers]

    assert kinds(theirs) == kinds(ours)
    assert float(theirs.optimizer.learning_rate) == np.float32(0.002)
    assert [layer.rate for layer in theirs.layers if isinstance(layer, keras.layers.Dropout)] == [0.1, 0.3]
    assert theirs.steps_per_execution == 50


def test_images_and_labels_are_floats_as_in_the_document() -> None:
    images, labels = prepared(Split(np.full((2, 32, 32, 3), 255, np.uint8), np.array([0, 9], np.uint8)))
    assert (images.dtype, images.max()) == (np.float32, 1.0)
    assert labels.tolist() == np.eye(10)[[0, 9]].tolist()
