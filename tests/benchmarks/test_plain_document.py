"""The document's recipe under plain Keras."""

import pytest

from benchmarks import plain_document
from cifar.config import SGD, Model3Config


def test_it_trains_what_the_preset_says() -> None:
    config = plain_document.read(["experiment=seed_model3", "seed=2"])
    assert isinstance(config.model, Model3Config)
    assert isinstance(config.optimizer, SGD)
    assert (config.training.epochs, config.training.batch_size, config.seed) == (15, 64, 2)
    assert config.data.validation_size == 0


def test_it_trains_and_says_what_it_scores(tensorflow_on_cpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_document, "start_plain", lambda backend: None)
    tiny = ["experiment=seed_model1", "data=sample", "data.train_size=64", "data.test_size=64", "training.epochs=1"]
    found = plain_document.train(plain_document.read(tiny))
    assert found["training_seconds"] > 0
    assert 0 <= found["test_accuracy"] <= 1
