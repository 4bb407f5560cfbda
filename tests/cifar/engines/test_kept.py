"""A training on an engine that was used before ends with the bits of one on a new engine; nothing is traced again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cifar.config import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    ComputeConfig,
    Constant,
    DataConfig,
    InverseTime,
    Lion,
    Model1Config,
    Model3Config,
    ModelConfig,
    Nadam,
    OptimizerConfig,
    RMSprop,
    RunConfig,
    TrainingConfig,
)
from cifar.data import Dataset, Split
from cifar.engines import kept as module
from cifar.engines import read_state
from cifar.engines.kept import KeptEngines

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

SMALL = Model1Config(filters=2, dense_units=4)
TIMINGS = ("seconds", "images_per_second")
CONFIG = RunConfig(
    model=SMALL,
    optimizer=SGD(learning_rate=0.05),
    data=DataConfig(name="sample", train_size=70, validation_size=20),
    training=TrainingConfig(epochs=2),
)


class Quiet:
    """A listener that does not listen."""

    def on_resume(self, history: list[dict[str, float]], warnings: list[str]) -> None: ...
    def on_step(self, epoch: int, step: int) -> None: ...
    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None: ...


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """An item for each graph that is traced."""
    from cifar.engines.tensorflow import TensorFlowEngine

    graphs: list[object] = []
    trace = TensorFlowEngine._trace_epoch

    def count(engine: TensorFlowEngine, step: Any, length: int) -> Any:
        graphs.append(step)
        return trace(engine, step, length)

    monkeypatch.setattr(TensorFlowEngine, "_trace_epoch", count)
    return graphs


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """What engines without a network were built for; none of them is renewed."""
    made: list[RunConfig] = []

    def build(config: RunConfig, train: Split) -> Any:
        made.append(config)
        rows = np.zeros(config.model.filters)
        return SimpleNamespace(model=SimpleNamespace(weights=[rows]), optimizer=SimpleNamespace(variables=[]))

    monkeypatch.setattr(module, "build_engine", build)
    monkeypatch.setattr(module, "_renew", lambda engine, model, optimizer: True)
    return made


def fit(engines: KeptEngines, config: RunConfig, dataset: Dataset) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    """What a training comes to: the metrics of its epochs but for times, weights and optimizer."""
    from cifar.training import train

    with engines.lent(config, dataset.train) as engine:
        trained = train(config, dataset, Quiet(), engine=engine)
        weights, optimizer = read_state(engine)
    history = [{name: metrics[name] for name in metrics if name not in TIMINGS} for metrics in trained.history]
    return history, [*weights, *optimizer]


def assert_same_bits(config: RunConfig, used: KeptEngines, dataset: Dataset) -> None:
    history, arrays = fit(used, config, dataset)
    expected, others = fit(KeptEngines(), config, dataset)
    assert history == expected
    for array, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("optimizer", [
    SGD(learning_rate=0.05),
    SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
    RMSprop(learning_rate=1e-3),
    RMSprop(learning_rate=1e-3, momentum=0.9, centered=True),
    Adam(learning_rate=1e-3, amsgrad=True),
    AdamW(learning_rate=1e-3, weight_decay=0.01),
    Nadam(learning_rate=1e-3, clipnorm=1.0),
    Adagrad(learning_rate=0.01, initial_accumulator_value=0.1),
    Adadelta(learning_rate=1.0),
    Lion(learning_rate=1e-4),
], ids=lambda item: f"{item.name}{'' if not getattr(item, 'momentum', 0) else ' with momentum'}")  # fmt: skip
def test_another_seed_and_another_rate_end_with_the_bits_of_a_new_engine(
    optimizer: OptimizerConfig, tiny_dataset: Dataset, traced: list[object]
) -> None:
    engines = KeptEngines()
    fit(engines, replace(CONFIG, optimizer=optimizer), tiny_dataset)
    assert len(traced) == 1
    slower = replace(optimizer, learning_rate=optimizer.learning_rate / 3)
    another = replace(CONFIG, optimizer=slower, seed=5, training=TrainingConfig(epochs=3, restore_best_weights=True))
    assert_same_bits(another, engines, tiny_dataset)
    assert len(traced) == 2, "the second one is of the new engine that it is compared with"


def test_a_max_norm_that_binds_and_dropout_are_as_on_a_new_engine(tiny_dataset: Dataset) -> None:
    engines = KeptEngines()
    model = Model3Config(filters=2, dense_units=8, max_norm=0.5)
    first = replace(CONFIG, model=model, optimizer=SGD(learning_rate=0.05, momentum=0.9))
    fit(engines, first, tiny_dataset)
    assert_same_bits(replace(first, seed=1), engines, tiny_dataset)


@pytest.mark.parametrize("model", [SMALL, Model3Config(filters=2, dense_units=4)], ids=["in a block", "on its own"])
def test_another_dropout_ends_with_the_bits_of_a_new_engine(
    model: ModelConfig, tiny_dataset: Dataset, traced: list[object]
) -> None:
    engines = KeptEngines()
    fit(engines, replace(CONFIG, model=model), tiny_dataset)
    another = replace(model, dropout_rate=0.37, dense_dropout_rate=0.613)
    assert_same_bits(replace(CONFIG, model=another, seed=3), engines, tiny_dataset)
    assert len(traced) == 2, "the second one is of the new engine that it is compared with"
    with engines.lent(replace(CONFIG, model=another), tiny_dataset.train) as engine:
        rates = [layer.rate for layer in engine.model.layers if hasattr(layer, "rate")]
    assert rates == [0.37, 0.613], "as a network that is saved shall say"


def test_an_engine_that_has_its_dropout_compiled_in_is_made_anew_for_another(
    tiny_dataset: Dataset, traced: list[object]
) -> None:
    """As on a GPU, and with less than float32."""
    engines = KeptEngines()
    config = replace(CONFIG, compute=ComputeConfig(precision="bfloat16"))
    fit(engines, config, tiny_dataset)
    fit(engines, config, tiny_dataset)
    assert len(traced) == 1
    assert_same_bits(replace(config, model=replace(SMALL, dropout_rate=0.4)), engines, tiny_dataset)
    assert len(traced) == 3
    fit(engines, config, tiny_dataset)
    assert len(traced) == 3, "that of the first dropout is still there"


def test_nor_do_the_bits_depend_on_a_session_of_keras_that_was_cleared(
    tiny_dataset: Dataset, traced: list[object]
) -> None:
    import keras

    engines = KeptEngines()
    fit(engines, replace(CONFIG, optimizer=Adam()), tiny_dataset)
    keras.backend.clear_session()
    gc.collect()
    assert_same_bits(replace(CONFIG, optimizer=Adam(learning_rate=0.002), seed=7), engines, tiny_dataset)
    assert len(traced) == 2


def test_an_engine_whose_training_was_broken_off_in_good_order_is_as_good_as_new(tiny_dataset: Dataset) -> None:
    engines = KeptEngines()
    with engines.lent(CONFIG, tiny_dataset.train) as engine:
        engine.run_epoch(np.arange(70), lambda step: None)
    assert_same_bits(replace(CONFIG, seed=2), engines, tiny_dataset)


def test_an_engine_whose_training_diverged_is_not_kept(tiny_dataset: Dataset, traced: list[object]) -> None:
    from cifar.training import TrainingDivergedError, train

    engines = KeptEngines()

    def diverge() -> None:
        with engines.lent(CONFIG, tiny_dataset.train) as engine:
            weights = engine.model.get_weights()
            weights[-1][:] = np.nan
            engine.model.set_weights(weights)
            train(CONFIG, tiny_dataset, Quiet(), engine=engine)

    with pytest.raises(TrainingDivergedError):
        diverge()
    assert len(traced) == 1
    assert_same_bits(CONFIG, engines, tiny_dataset)
    assert len(traced) == 3


def test_nor_is_one_whose_training_was_stopped(tiny_dataset: Dataset, built: list[RunConfig]) -> None:
    engines = KeptEngines()
    with pytest.raises(KeyboardInterrupt), engines.lent(CONFIG, tiny_dataset.train):
        raise KeyboardInterrupt
    with engines.lent(CONFIG, tiny_dataset.train):
        pass
    assert built == [CONFIG, CONFIG]


Change = Callable[[RunConfig], RunConfig]


@pytest.mark.parametrize("change", [
    lambda config: replace(config, seed=4),
    lambda config: replace(config, optimizer=SGD(learning_rate=0.1)),
    lambda config: replace(config, training=TrainingConfig(epochs=9, checkpoint_every=0, early_stopping_patience=2)),
    lambda config: replace(config, data=replace(config.data, cache="elsewhere")),
    lambda config: replace(config, model=replace(SMALL, dropout_rate=0.3)),
    lambda config: replace(config, model=replace(SMALL, dense_dropout_rate=0.3)),
], ids=["seed", "rate", "training", "cache", "dropout", "dense dropout"])  # fmt: skip
def test_what_is_in_no_graph_needs_no_other_engine(
    change: Change, tiny_dataset: Dataset, built: list[RunConfig]
) -> None:
    engines = KeptEngines()
    with engines.lent(CONFIG, tiny_dataset.train) as first:
        pass
    with engines.lent(change(CONFIG), tiny_dataset.train) as second:
        assert second is first
    assert built == [CONFIG]


@pytest.mark.parametrize("change", [
    lambda config: replace(config, model=replace(SMALL, dropout_rate=0)),
    lambda config: replace(config, model=replace(SMALL, dense_dropout_rate=0)),
    lambda config: replace(config, model=replace(SMALL, filters=3)),
    lambda config: replace(config, model=replace(SMALL, kernel_initializer="he_normal")),
    lambda config: replace(config, model=Model3Config(filters=2, dense_units=4)),
    lambda config: replace(config, training=TrainingConfig(epochs=2, batch_size=16)),
    lambda config: replace(config, optimizer=SGD(learning_rate=0.05, momentum=0.5)),
    lambda config: replace(config, optimizer=SGD(learning_rate=0.05, weight_decay=0.01)),
    lambda config: replace(config, optimizer=RMSprop(learning_rate=0.05)),
    lambda config: replace(config, schedule=InverseTime()),
    lambda config: replace(config, schedule=Constant(warmup_epochs=1)),
    lambda config: replace(config, data=replace(config.data, random_flip=True)),
], ids=[
    "no dropout", "no dense dropout", "filters", "initializer", "network", "batch size", "momentum", "weight decay",
    "optimizer", "schedule", "warm-up", "mirrored images",
])  # fmt: skip
def test_what_is_in_the_graph_needs_another_one(change: Change, tiny_dataset: Dataset, built: list[RunConfig]) -> None:
    engines = KeptEngines()
    for config in (CONFIG, change(CONFIG), CONFIG, change(CONFIG)):
        with engines.lent(config, tiny_dataset.train):
            pass
    assert built == [CONFIG, change(CONFIG)]


@pytest.mark.parametrize("change", [
    lambda config: replace(config, seed=4),
    lambda config: replace(config, optimizer=SGD(learning_rate=0.1)),
    lambda config: replace(config, training=TrainingConfig(epochs=3)),
], ids=["seed", "rate", "epochs"])  # fmt: skip
def test_under_a_schedule_everything_is_taken_to_be_in_the_graph(
    change: Change, tiny_dataset: Dataset, built: list[RunConfig]
) -> None:
    config = replace(CONFIG, schedule=InverseTime(decay=0.1))
    engines = KeptEngines()
    for asked in (config, change(config), config):
        with engines.lent(asked, tiny_dataset.train):
            pass
    assert built == [config, change(config)]


def test_other_images_need_another_engine_though_they_are_as_many(
    tiny_dataset: Dataset, built: list[RunConfig]
) -> None:
    copy = Split(tiny_dataset.train.images.copy(), tiny_dataset.train.labels.copy())
    engines = KeptEngines()
    for train in (tiny_dataset.train, copy):
        with engines.lent(CONFIG, train):
            pass
    assert built == [CONFIG, CONFIG]


def test_one_engine_is_not_lent_twice_at_a_time(tiny_dataset: Dataset, built: list[RunConfig]) -> None:
    engines = KeptEngines()
    with (
        engines.lent(CONFIG, tiny_dataset.train) as one,
        engines.lent(CONFIG, tiny_dataset.train) as other,
    ):
        assert one is not other
    copy = Split(tiny_dataset.train.images.copy(), tiny_dataset.train.labels)
    with engines.lent(CONFIG, copy), engines.lent(CONFIG, tiny_dataset.train) as inner:
        pass
    with engines.lent(CONFIG, tiny_dataset.train) as again:
        assert again is inner, "not the one that ended later, of other images"


@pytest.mark.parametrize(("most_bytes", "kept"), [(0, []), (40, [10]), (41, [10]), (68, [7, 10]), (300, [5, 7, 10])])
def test_no_more_is_kept_than_was_allowed_and_what_was_used_last_is(
    most_bytes: int, kept: list[int], tiny_dataset: Dataset, built: list[RunConfig]
) -> None:
    """The engines have as many weights, of four bytes each, as their networks have filters."""
    engines = KeptEngines(most_bytes)
    configs = [replace(CONFIG, model=replace(SMALL, filters=filters)) for filters in (5, 7, 10)]
    for config in configs:
        with engines.lent(config, tiny_dataset.train):
            pass
    assert [engine.model.weights[0].size for engine in engines._kept.values()] == kept


def test_of_an_engine_weights_and_slots_are_counted(tiny_dataset: Dataset) -> None:
    engines = KeptEngines()
    with engines.lent(replace(CONFIG, optimizer=Adam()), tiny_dataset.train) as engine:
        weights = engine.model.count_params()
    assert module._bytes(engine) == 4 * (3 * weights + 2), "two slots for each weight, the step and the rate"


def test_images_that_nobody_trains_on_any_more_are_let_go(built: list[RunConfig], tiny_dataset: Dataset) -> None:
    engines = KeptEngines()
    train = Split(tiny_dataset.train.images.copy(), tiny_dataset.train.labels)
    gone = weakref.ref(train)
    with engines.lent(CONFIG, train):
        pass
    del train
    with engines.lent(CONFIG, tiny_dataset.train):
        pass
    gc.collect()
    assert gone() is None
