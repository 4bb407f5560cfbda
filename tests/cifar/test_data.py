import subprocess
import sys

import numpy as np
import pytest

from cifar.config import DataConfig
from cifar.data import load_dataset, split, split_indices, with_mirrored
from cifar.fields import ConfigError
from cifar.proof import Proof
from cifar.sources import Source

LABELS = np.random.RandomState(1).permutation(np.arange(50_000) % 10).astype(np.uint8)


def sample(**settings):
    return load_dataset(DataConfig(name="sample", **{"validation_size": 200} | settings))


@pytest.fixture
def load(tiny, tmp_path):
    source = Source("a test", lambda folder: tiny.archive(folder / "file"))

    def load(**settings):
        config = DataConfig(**{"cache": str(tmp_path / "cache"), "validation_size": 10} | settings)
        return load_dataset(config, sources=[source], proof=tiny.proof)

    return load


# --- which images go where ----------------------------------------------------------------------


def test_as_many_of_each_class_are_held_out_where_it_divides_evenly():
    train, validation = split_indices(LABELS, DataConfig(validation_size=5000))
    assert np.bincount(LABELS[validation]).tolist() == [500] * 10
    assert np.bincount(LABELS[train]).tolist() == [4500] * 10


def test_the_rest_goes_to_the_largest_remainders():
    labels = np.repeat(np.arange(10), [31, 11, 9, 7, 7, 7, 7, 7, 7, 7])  # 100 in all
    _, validation = split_indices(labels, DataConfig(validation_size=25))
    assert np.bincount(labels[validation]).tolist() == [8, 3, 2, 2, 2, 2, 2, 2, 1, 1]


@pytest.mark.parametrize("size", [10, 13, 4999, 49_990])
def test_exactly_as_many_as_asked_for_are_held_out(size):
    train, validation = split_indices(LABELS, DataConfig(validation_size=size))
    assert len(validation) == size
    assert sorted([*train, *validation]) == list(range(50_000))
    assert np.ptp(np.bincount(LABELS[validation], minlength=10)) <= 1


def test_nothing_held_out_leaves_all_images_in_their_order():
    train, validation = split_indices(LABELS, DataConfig(validation_size=0))
    assert train.tolist() == list(range(50_000))
    assert len(validation) == 0


def test_the_seed_decides_the_split():
    first, again, other = (split_indices(LABELS, DataConfig(split_seed=seed))[1] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_a_split_is_the_same_in_every_version():
    assert split_indices(LABELS, DataConfig())[1][:5].tolist() == [14, 22, 24, 28, 64]


def test_a_larger_training_set_contains_the_smaller_one_and_validation_stays():
    small, validation = split_indices(LABELS, DataConfig(train_size=100))
    large, same = split_indices(LABELS, DataConfig(train_size=200))
    assert len(small) == 100
    assert set(small) < set(large)
    assert validation.tolist() == same.tolist()
    assert not set(large) & set(validation)


def test_the_first_of_the_seeded_order_train():
    train, _ = split_indices(LABELS, DataConfig(validation_size=0, train_size=100))
    assert train.tolist() == sorted(np.random.RandomState(0).permutation(50_000)[:100])


# --- the data set -------------------------------------------------------------------------------


def test_cifar10_is_split_into_ordinary_contiguous_arrays(tiny, load):
    data = load()
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 10, 10)
    for part in (data.train, data.validation, data.test):
        assert type(part.images) is type(part.labels) is np.ndarray
        assert part.images.flags.c_contiguous
        assert part.images.flags.writeable
        assert (part.images.dtype, part.labels.dtype) == (np.uint8, np.uint8)
        assert part.images.shape == (10, 32, 32, 3)
    assert data.source == "a test"
    assert load().source == "cache, from a test"


def test_every_image_keeps_its_label(tiny, load):
    data = load(train_size=7)
    labels = {image.tobytes(): label for image, label in zip(*tiny.arrays[:2], strict=True)}
    for part in (data.train, data.validation):
        assert [labels[image.tobytes()] for image in part.images] == part.labels.tolist()


def test_without_validation_the_training_images_keep_their_order(tiny, load):
    data = load(validation_size=0)
    assert data.validation is None
    np.testing.assert_array_equal(data.train.images, tiny.arrays.train_images)
    np.testing.assert_array_equal(data.train.labels, tiny.arrays.train_labels)


def test_the_first_test_images_are_taken(tiny, load):
    data = load(test_size=4)
    np.testing.assert_array_equal(data.test.images, tiny.arrays.test_images[:4])


def test_more_test_images_than_there_are_is_an_error():
    with pytest.raises(ConfigError) as caught:
        sample(test_size=501)
    assert str(caught.value) == "data.test_size=501: expected at most 500, the number of test images of data=sample"


def test_the_sample_needs_no_file_and_no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = sample()
    assert (len(data.train), len(data.validation), len(data.test)) == (1800, 200, 500)
    assert data.source == "made up"
    assert list(tmp_path.iterdir()) == []


def test_mirrored_images_come_after_all_others_with_the_same_labels():
    split = sample().train
    both = with_mirrored(split)
    assert np.array_equal(both.images[:1800], split.images)
    assert np.array_equal(both.images[1800 + 7, :, 0], split.images[7, :, 31])
    assert np.array_equal(both.labels, [*split.labels, *split.labels])
    assert both.images.flags["C_CONTIGUOUS"]


# --- the digest ---------------------------------------------------------------------------------


def test_equal_settings_have_equal_digests():
    assert sample().digest == sample().digest
    assert len(sample().digest) == 64


def test_any_other_choice_of_images_has_another_digest():
    choices = [{}, {"split_seed": 1}, {"validation_size": 0}, {"train_size": 100}, {"test_size": 100}]
    assert len({sample(**choice).digest for choice in choices}) == len(choices)


def test_the_digest_is_that_of_the_images_used_not_of_the_words_that_chose_them():
    assert sample().digest == sample(train_size=1800, test_size=500).digest


def test_another_image_has_another_digest(tiny):
    images = tiny.arrays.test_images ^ np.uint8(1)
    other = tiny.arrays._replace(test_images=images)
    config = DataConfig(validation_size=0)
    digests = {split(arrays, Proof.of(arrays), "", config).digest for arrays in (tiny.arrays, other)}
    assert len(digests) == 2


def test_the_digest_does_not_depend_on_where_the_data_came_from(load):
    assert load().digest == load().digest


def test_loading_imports_no_framework():
    code = "import sys, cifar.data; print({'tensorflow', 'keras', 'mlflow', 'hydra', 'jax'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
