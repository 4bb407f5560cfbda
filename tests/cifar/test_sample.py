import numpy as np

from cifar.config import TRAIN_IMAGES
from cifar.proof import sha256
from cifar.sample import make_sample


def test_the_sample_has_as_many_images_as_the_configuration_says():
    sample = make_sample()
    assert sample.train_images.shape == (TRAIN_IMAGES["sample"], 32, 32, 3) == (2000, 32, 32, 3)
    assert sample.test_images.shape == (500, 32, 32, 3)
    assert {array.dtype for array in sample} == {np.dtype(np.uint8)}


def test_every_class_has_as_many_images():
    sample = make_sample()
    assert np.bincount(sample.train_labels).tolist() == [200] * 10
    assert np.bincount(sample.test_labels).tolist() == [50] * 10


def test_the_sample_is_the_same_on_every_machine():
    assert sha256(make_sample().train_images)[:16] == "5d29db5419921e62"
    assert sha256(make_sample().test_images)[:16] == "bb544c661e964f6a"


def test_the_classes_differ_in_colour_and_the_images_within_a_class_differ():
    sample = make_sample()
    middle = sample.train_images[:, 10:22, 10:22].astype(int)
    warmth = (middle[..., 0] - middle[..., 2]).mean((1, 2))
    assert (warmth[sample.train_labels % 2 == 0] > 0).mean() > 0.8
    assert (warmth[sample.train_labels % 2 == 1] < 0).mean() > 0.8
    assert len(np.unique(sample.train_images.reshape(2000, -1), axis=0)) == 2000
