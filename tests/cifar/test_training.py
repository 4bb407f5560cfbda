"""train() learns, stops for a reason, and ends with the same bits each time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cifar.config import MODELS, OPTIMIZERS, SGD, DataConfig, Model1Config, RMSprop, RunConfig, TrainingConfig
from cifar.data import Dataset

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

SMALL = Model1Config(filters=8, dense_units=32)


class Memory:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.epochs: list[tuple[int, dict[str, float]]] = []

    def on_step(self, epoch: int, step: int) -> None:
        self.steps.append((epoch, step))

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        self.epochs.append((epoch, metrics))


def _config(data: DataConfig, **training: object) -> RunConfig:
    return RunConfig(
        model=SMALL,
        optimizer=RMSprop(learning_rate=2e-3),
        data=data,
        training=TrainingConfig(**training),  # type: ignore[arg-type]
    )


def test_it_learns_and_reports_each_epoch(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.training import train

    memory = Memory()
    trained = train(_config(tiny_data_config, epochs=80), tiny_dataset, memory)
    assert [epoch for epoch, _ in memory.epochs] == list(range(1, 81))
    assert [metrics for _, metrics in memory.epochs] == trained.history
    assert set(trained.history[0]) == {
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "learning_rate",
        "images_per_second",
        "seconds",
    }
    assert trained.stop_reason == "all epochs done"
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]
    assert trained.history[-1]["val_accuracy"] > 0.4  # chance is 0.1


@pytest.mark.parametrize("name", MODELS)
def test_every_network_trains(name: str, tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.training import train

    config = RunConfig(
        model=MODELS[name](filters=2, dense_units=4), data=tiny_data_config, training=TrainingConfig(epochs=1)
    )
    trained = train(config, tiny_dataset, Memory())
    assert trained.model.name == name
    assert trained.predict(tiny_dataset.test.images).shape == (20, 10)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss(name: str, tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.training import train

    rates = {"sgd": 0.05, "adadelta": 1.0, "adagrad": 0.05, "lion": 5e-4}
    config = RunConfig(
        model=Model1Config(filters=8, dense_units=32, dropout_rate=0, dense_dropout_rate=0),
        optimizer=OPTIMIZERS[name](learning_rate=rates.get(name, 2e-3)),
        data=tiny_data_config,
        training=TrainingConfig(epochs=6),
    )
    losses = [metrics["loss"] for metrics in train(config, tiny_dataset, Memory()).history]
    assert losses[-1] < losses[0]


def test_two_trainings_with_one_seed_end_with_the_same_bits(
    tiny_dataset: Dataset, tiny_data_config: DataConfig
) -> None:
    from cifar.training import train

    first, second = (train(_config(tiny_data_config, epochs=2), tiny_dataset, Memory()) for _ in range(2))
    for one, other in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    assert [m["loss"] for m in first.history] == [m["loss"] for m in second.history]


def test_without_validation_images_there_are_no_validation_metrics(tiny_dataset: Dataset) -> None:
    from cifar.training import train

    data = DataConfig(name="sample", train_size=70, validation_size=0)
    trained = train(
        _config(data, epochs=1), Dataset(tiny_dataset.train, None, tiny_dataset.test, "made up", "0"), Memory()
    )
    assert not any(name.startswith("val_") for name in trained.history[0])
    assert trained.best_epoch is None


def test_the_best_weights_are_those_of_the_epoch_with_the_best_validation_accuracy(
    tiny_dataset: Dataset, tiny_data_config: DataConfig
) -> None:
    from cifar.evaluation import evaluate
    from cifar.training import train

    trained = train(_config(tiny_data_config, epochs=8, restore_best_weights=True), tiny_dataset, Memory())
    accuracies = [metrics["val_accuracy"] for metrics in trained.history]
    assert trained.best_epoch == 1 + int(np.argmax(accuracies))
    assert tiny_dataset.validation is not None
    score = evaluate(trained.predict(tiny_dataset.validation.images), tiny_dataset.validation.labels)
    assert score.accuracy == max(accuracies)


def test_early_stopping_waits_for_its_patience_and_says_so(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.training import train

    trained = train(_config(tiny_data_config, epochs=200, early_stopping_patience=2), tiny_dataset, Memory())
    assert trained.best_epoch is not None
    assert len(trained.history) == trained.best_epoch + 2
    assert trained.stop_reason == "no better validation accuracy for 2 epochs"


def test_a_time_limit_ends_before_an_epoch_that_would_pass_it(
    tiny_dataset: Dataset, tiny_data_config: DataConfig
) -> None:
    from cifar.training import train

    trained = train(_config(tiny_data_config, epochs=100_000, max_minutes=0.03), tiny_dataset, Memory())
    assert trained.stop_reason == "another epoch would end after 0.03 minutes"
    assert trained.seconds < 0.03 * 60 + 0.5


def test_a_diverging_training_says_where_and_what_to_try(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.training import TrainingDivergedError, train

    config = RunConfig(
        model=SMALL,
        optimizer=SGD(learning_rate=100, weight_decay=0.9),  # multiplies each weight by -89 at each step
        data=tiny_data_config,
        training=TrainingConfig(epochs=50, batch_size=8),
    )
    with pytest.raises(
        TrainingDivergedError, match=r"in epoch \d+, by step \d of 9; try a lower optimizer.learning_rate"
    ):
        train(config, tiny_dataset, Memory())


def test_a_weight_that_is_no_number_is_noticed_even_where_relu_hides_it() -> None:
    from cifar.engines import DivergedError
    from cifar.models import build_model
    from cifar.training import refuse_broken_weights

    model = build_model(SMALL, seed=0)
    refuse_broken_weights(model, step=1)
    weights = model.get_weights()
    weights[0][0, 0, 0, 0] = np.nan
    model.set_weights(weights)
    with pytest.raises(DivergedError, match="the weight model1/conv1/kernel is not a finite number after step 1"):
        refuse_broken_weights(model, step=1)


def test_an_epochs_order_depends_on_seed_and_epoch_alone() -> None:
    from cifar.training import epoch_order

    orders = [epoch_order(seed, epoch, 100) for seed in (0, 1) for epoch in (1, 2)]
    for one, other in itertools.combinations(orders, 2):
        assert not np.array_equal(one, other)
    assert np.array_equal(orders[0], epoch_order(0, 1, 100))
    assert sorted(orders[0]) == list(range(100))


def test_what_the_listener_raises_ends_the_training(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.training import train

    class Impatient(Memory):
        def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(_config(tiny_data_config, epochs=3), tiny_dataset, Impatient())
