"""train() learns, stops for a reason, and ends with the same bits each time, also in two goes."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cifar.checkpoints import CheckpointError, Checkpoints
from cifar.config import (
    MODELS,
    OPTIMIZERS,
    SGD,
    ComputeConfig,
    Cosine,
    DataConfig,
    Model1Config,
    Model3Config,
    RMSprop,
    RunConfig,
    TrainingConfig,
)
from cifar.data import Dataset
from cifar.durable import remove_folder
from cifar.fields import ConfigError

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

SMALL = Model1Config(filters=8, dense_units=32)


class Memory:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.resumed: list[tuple[int, list[str]]] = []
        self.steps: list[tuple[int, int]] = []
        self.epochs: list[tuple[int, dict[str, float]]] = []

    def on_resume(self, history: list[dict[str, float]], warnings: list[str]) -> None:
        self.resumed.append((len(history), warnings))

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


def test_answers_that_are_no_numbers_are_a_training_that_diverged(tiny_dataset: Dataset) -> None:
    from cifar.training import TrainingDivergedError, score

    answers = np.full((20, 10), 0.1, np.float32)
    assert score(lambda images: answers, tiny_dataset.test).loss == pytest.approx(np.log(10))
    answers[3, 4] = np.nan
    with pytest.raises(TrainingDivergedError, match=r"the network's answers are NaN or infinite.*try a lower"):
        score(lambda images: answers, tiny_dataset.test)


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


def test_random_flips_mirror_half_of_the_images_in_each_epoch_others_and_change_no_order() -> None:
    from cifar.training import epoch_order

    orders = [epoch_order(seed, epoch, 1000, random_flip=True) for seed in (0, 1) for epoch in (1, 2)]
    mirrored = [frozenset(order[order >= 1000] - 1000) for order in orders]
    assert len({*mirrored}) == 4
    assert all(450 < len(some) < 550 for some in mirrored)
    assert np.array_equal(orders[0] % 1000, epoch_order(0, 1, 1000))
    assert np.array_equal(orders[0], epoch_order(0, 1, 1000, random_flip=True))
    assert orders[0].dtype == np.int32


def test_what_the_listener_raises_ends_the_training(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.training import train

    class Impatient(Memory):
        def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(_config(tiny_data_config, epochs=3), tiny_dataset, Impatient())


# --- in two goes ------------------------------------------------------------------------------------


def bits(trained: Any) -> list[bytes]:
    return [weight.tobytes() for weight in trained.model.get_weights()]


def timeless(trained: Any) -> list[dict[str, float]]:
    times = ("seconds", "images_per_second")
    return [{name: value for name, value in metrics.items() if name not in times} for metrics in trained.history]


def kept(checkpoints: Checkpoints) -> list[int]:
    return sorted(int(path.name.removeprefix("epoch-")) for path in checkpoints.folder.iterdir())


def forget(checkpoints: Checkpoints, *epochs: int) -> None:
    for epoch in epochs:
        remove_folder(checkpoints.folder / f"epoch-{epoch:04}")


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


TWO_GOES: dict[str, dict[str, Any]] = {
    **{name: {"optimizer": cls(learning_rate=2e-3)} for name, cls in OPTIMIZERS.items()},
    "float16": {"compute": ComputeConfig(precision="float16")},
    "a schedule": {"schedule": Cosine(warmup_epochs=1.5), "optimizer": RMSprop(momentum=0.5, centered=True)},
    "a max-norm that binds": {
        "model": Model3Config(filters=2, dense_units=8, max_norm=0.5),
        "optimizer": SGD(learning_rate=0.02, momentum=0.9),
    },
    "mirrored images": {
        "data": DataConfig(name="sample", train_size=70, validation_size=20, random_flip=True),
        "optimizer": SGD(learning_rate=0.02, momentum=0.9),
    },
}


@pytest.mark.parametrize("settings", TWO_GOES.values(), ids=TWO_GOES)
def test_a_training_in_two_goes_ends_with_the_bits_and_metrics_of_one(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, checkpoints: Checkpoints, settings: dict[str, Any]
) -> None:
    from cifar.training import train

    config = replace(_config(tiny_data_config, epochs=3), **settings)
    once = train(config, tiny_dataset, Memory(), checkpoints)
    forget(checkpoints, 3)
    memory = Memory()
    twice = train(config, tiny_dataset, memory, checkpoints)
    assert memory.resumed == [(2, [])]
    assert [epoch for epoch, _ in memory.epochs] == [3]
    assert bits(twice) == bits(once)
    assert timeless(twice) == timeless(once)


def test_a_finished_training_is_extended_to_the_bits_of_a_longer_one(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, checkpoints: Checkpoints
) -> None:
    from cifar.training import train

    train(_config(tiny_data_config, epochs=2), tiny_dataset, Memory(), checkpoints)
    extended = train(_config(tiny_data_config, epochs=5), tiny_dataset, Memory(), checkpoints)
    longer = train(_config(tiny_data_config, epochs=5), tiny_dataset, Memory())
    assert bits(extended) == bits(longer)
    assert timeless(extended) == timeless(longer)
    assert extended.best_epoch == longer.best_epoch


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Dataset, tiny_data_config: DataConfig) -> Any:
    """A training that stopped two epochs after its best one, whose weights it took: (config, result, folder)."""
    from cifar.training import train

    config = _config(tiny_data_config, epochs=200, early_stopping_patience=2, restore_best_weights=True)
    folder = tmp_path_factory.mktemp("stopped")
    trained = train(config, tiny_dataset, Memory(), Checkpoints(folder))
    assert kept(Checkpoints(folder)) == [len(trained.history) - 2, len(trained.history) - 1, len(trained.history)]
    return config, trained, folder


@pytest.mark.parametrize("back", [0, 1, 2])
def test_a_training_goes_back_and_stops_again_for_the_same_reason_with_the_same_best_weights(
    stopped: Any, back: int, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    from cifar.training import train

    config, trained, folder = stopped
    checkpoints = Checkpoints(shutil.copytree(folder, tmp_path / "copy"))
    last = len(trained.history)
    forget(checkpoints, *range(last - back + 1, last + 1))
    memory = Memory()
    again = train(config, tiny_dataset, memory, checkpoints)
    assert memory.resumed == [(last - back, [])]
    assert [epoch for epoch, _ in memory.epochs] == list(range(last - back + 1, last + 1))
    assert (again.stop_reason, again.best_epoch) == (trained.stop_reason, trained.best_epoch)
    assert bits(again) == bits(trained)
    assert timeless(again) == timeless(trained)


def test_the_best_weights_do_not_depend_on_the_checkpoint_of_their_epoch(
    stopped: Any, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    from cifar.training import train

    config, trained, folder = stopped
    checkpoints = Checkpoints(shutil.copytree(folder, tmp_path / "copy"))
    forget(checkpoints, trained.best_epoch, len(trained.history))
    assert bits(train(config, tiny_dataset, Memory(), checkpoints)) == bits(trained)


def test_a_training_that_has_nothing_left_to_do_returns_at_once(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, checkpoints: Checkpoints
) -> None:
    from cifar.training import train

    config = _config(tiny_data_config, epochs=2)
    done = train(config, tiny_dataset, Memory(), checkpoints)
    memory = Memory()
    again = train(config, tiny_dataset, memory, checkpoints)
    assert (memory.resumed, memory.steps, memory.epochs) == ([(2, [])], [], [])
    assert again.stop_reason == "all epochs done"
    assert again.history == done.history
    assert bits(again) == bits(done)
    assert again.seconds > done.seconds


def test_the_best_weights_are_found_even_if_they_were_not_wanted_before(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, checkpoints: Checkpoints
) -> None:
    from cifar.training import train

    stopping = {"epochs": 200, "early_stopping_patience": 2}
    last = train(_config(tiny_data_config, **stopping), tiny_dataset, Memory(), checkpoints)
    wanted = _config(tiny_data_config, restore_best_weights=True, **stopping)
    best = train(wanted, tiny_dataset, Memory(), checkpoints)
    assert bits(best) == bits(train(wanted, tiny_dataset, Memory()))
    assert bits(best) != bits(last)
    assert last.best_epoch is not None
    forget(checkpoints, last.best_epoch)
    with pytest.raises(
        CheckpointError,
        match=rf"epoch-{last.best_epoch:04}: the weights of the best epoch so far are not there "
        r"\(training\.json is missing\); training\.restore_best_weights=false goes on without them$",
    ):
        train(wanted, tiny_dataset, Memory(), checkpoints)


def test_the_time_trained_before_counts(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, checkpoints: Checkpoints
) -> None:
    from cifar.snapshots import decisive_settings
    from cifar.training import train

    config = _config(tiny_data_config, epochs=1)
    first = train(config, tiny_dataset, Memory(), checkpoints)
    found = checkpoints.load(decisive_settings(config), tiny_dataset.digest)
    assert found is not None
    assert found.snapshot.seconds == pytest.approx(first.seconds, abs=0.5)
    checkpoints.save(replace(found.snapshot, seconds=3600.0))
    short = train(_config(tiny_data_config, epochs=3, max_minutes=60), tiny_dataset, Memory(), checkpoints)
    assert (short.stop_reason, len(short.history)) == ("another epoch would end after 60 minutes", 1)
    assert 3600 < short.seconds < 3660
    long = train(_config(tiny_data_config, epochs=3, max_minutes=61), tiny_dataset, Memory(), checkpoints)
    assert (long.stop_reason, len(long.history)) == ("all epochs done", 3)


@pytest.mark.parametrize(("every", "epochs"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (5, [5]), (9, [5]), (0, [])])
def test_checkpoints_are_written_as_often_as_is_said_and_at_the_end(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, tmp_path: Path, every: int, epochs: list[int]
) -> None:
    from cifar.training import train

    written: list[int] = []

    class Noting(Checkpoints):
        def save(self, snapshot: Any) -> None:
            written.append(snapshot.epoch)

    train(_config(tiny_data_config, epochs=5, checkpoint_every=every), tiny_dataset, Memory(), Noting(tmp_path))
    assert written == epochs


def test_an_epoch_is_kept_before_it_is_told(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, checkpoints: Checkpoints
) -> None:
    from cifar.training import train

    class Impatient(Memory):
        def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(_config(tiny_data_config, epochs=3), tiny_dataset, Impatient(), checkpoints)
    assert kept(checkpoints) == [1]


def test_a_damaged_checkpoint_is_passed_over_and_the_listener_told(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, checkpoints: Checkpoints
) -> None:
    from cifar.training import train

    once = train(_config(tiny_data_config, epochs=3), tiny_dataset, Memory(), checkpoints)
    damaged = checkpoints.folder / "epoch-0003"
    (damaged / "weights.npz").write_bytes(b"")
    memory = Memory()
    again = train(_config(tiny_data_config, epochs=3), tiny_dataset, memory, checkpoints)
    warning = f"{damaged} is damaged: weights.npz (0 bytes) is not what SHA256SUMS says was written; "
    assert memory.resumed == [(2, [f"{warning}going back to epoch 2"])]
    assert bits(again) == bits(once)


def test_a_checkpoint_that_cannot_be_written_ends_the_training(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, tmp_path: Path
) -> None:
    from cifar.training import train

    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    memory = Memory()
    with pytest.raises(CheckpointError, match=r"link/epoch-0001: cannot be written \(File exists\)"):
        train(_config(tiny_data_config, epochs=3), tiny_dataset, memory, Checkpoints(tmp_path / "link"))
    assert memory.epochs == []


def test_what_cannot_go_on_is_refused(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, checkpoints: Checkpoints
) -> None:
    from cifar.snapshots import decisive_settings
    from cifar.training import train

    config = _config(tiny_data_config, epochs=2)
    train(config, tiny_dataset, Memory(), checkpoints)
    with pytest.raises(ConfigError) as fewer:
        train(_config(tiny_data_config, epochs=1), tiny_dataset, Memory(), checkpoints)
    assert str(fewer.value) == "training.epochs=1: expected at least 2, the epochs that are already done"
    with pytest.raises(CheckpointError, match=r"made with training.batch_size=32 \(now 16\)"):
        train(_config(tiny_data_config, epochs=2, batch_size=16), tiny_dataset, Memory(), checkpoints)
    with pytest.raises(CheckpointError, match="made from other images"):
        train(config, replace(tiny_dataset, digest="1" * 64), Memory(), checkpoints)
    found = checkpoints.load(decisive_settings(config), tiny_dataset.digest)
    assert found is not None
    checkpoints.save(replace(found.snapshot, optimizer=[*found.snapshot.optimizer[:-1], np.zeros((2, 2))]))
    with pytest.raises(CheckpointError, match=r"the arrays do not fit \(.+ is float32 \(10,\), not float64 \(2, 2\)\)"):
        train(config, tiny_dataset, Memory(), checkpoints)
