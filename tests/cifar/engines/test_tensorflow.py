"""The TensorFlow engine trains as Keras does, and can be stopped."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from cifar.config import SGD, DataConfig, Model1Config, Model3Config, RMSprop, RunConfig, TrainingConfig
from cifar.data import Dataset, Split

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

SMALL = Model1Config(filters=4, dense_units=8)


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        (Model1Config(filters=4, dense_units=8, dropout_rate=0, dense_dropout_rate=0), RMSprop(learning_rate=1e-3)),
        (
            Model3Config(filters=2, dense_units=8, dropout_rate=0, dense_dropout_rate=0, max_norm=0.5),
            SGD(learning_rate=0.05, momentum=0.9),
        ),
    ],
    ids=["model1", "model3 with a max-norm that binds"],
)
def test_without_dropout_an_epoch_equals_that_of_keras_fit(
    model: Model1Config, optimizer: SGD, tiny_dataset: Dataset, tiny_data_config: DataConfig
) -> None:
    from cifar.engines.tensorflow import TensorFlowEngine
    from cifar.models import build_model
    from cifar.optimizers import build_optimizer

    config = RunConfig(model=model, optimizer=optimizer, data=tiny_data_config)
    order = np.random.default_rng(3).permutation(len(tiny_dataset.train))
    engine = TensorFlowEngine(config, tiny_dataset.train)
    scores = engine.run_epoch(order, lambda step: None)

    plain = build_model(model, config.seed)
    plain_optimizer = build_optimizer(optimizer, config.schedule, epochs=1, steps_per_epoch=3)
    plain.compile(optimizer=plain_optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    images = tiny_dataset.train.images[order].astype("float32") / 255
    fitted = plain.fit(images, tiny_dataset.train.labels[order], batch_size=32, shuffle=False, verbose=0).history

    assert scores.loss == pytest.approx(fitted["loss"][0], rel=1e-5)
    assert scores.accuracy == pytest.approx(fitted["accuracy"][0])
    for ours, theirs in zip(engine.model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-6)


def test_a_number_beyond_the_images_is_one_of_them_mirrored(
    tiny_dataset: Dataset, tiny_data_config: DataConfig
) -> None:
    from cifar.engines.tensorflow import TensorFlowEngine

    model = replace(SMALL, dropout_rate=0, dense_dropout_rate=0)
    config = RunConfig(model=model, data=replace(tiny_data_config, random_flip=True))
    mirrored, flipped = mirror_some(tiny_dataset.train)
    order = np.random.default_rng(3).permutation(70)
    engine = TensorFlowEngine(config, tiny_dataset.train)
    scores = engine.run_epoch(order + 70 * flipped[order], lambda step: None)
    plain = TensorFlowEngine(replace(config, data=tiny_data_config), mirrored)
    assert plain.run_epoch(order, lambda step: None) == scores
    for ours, theirs in zip(engine.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def mirror_some(split: Split) -> tuple[Split, np.ndarray]:
    """The same with each third image mirrored, and which."""
    flipped = np.arange(len(split)) % 3 == 0
    images = np.where(flipped[:, None, None, None], np.flip(split.images, axis=2), split.images)
    return Split(images, split.labels), flipped


def test_compiled_with_xla_it_computes_the_same(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.engines.tensorflow import TensorFlowEngine

    model = Model3Config(filters=2, dense_units=8, dropout_rate=0, dense_dropout_rate=0, max_norm=0.5)
    config = RunConfig(model=model, optimizer=SGD(momentum=0.9), data=tiny_data_config)
    engines = [TensorFlowEngine(config, tiny_dataset.train, jit_compile=jit) for jit in (False, True)]
    losses = [engine.run_epoch(np.arange(70), lambda step: None).loss for engine in engines]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for plain, compiled in zip(*(engine.model.get_weights() for engine in engines), strict=True):
        np.testing.assert_allclose(plain, compiled, rtol=1e-3, atol=1e-6)


def test_the_last_batch_may_be_smaller(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.engines.tensorflow import TensorFlowEngine

    engine = TensorFlowEngine(RunConfig(model=SMALL, data=tiny_data_config), tiny_dataset.train)
    engine.run_epoch(np.arange(70), lambda step: None)
    assert int(engine.optimizer.iterations) == 3


@pytest.mark.parametrize(("images", "batch_size"), [(70, 23), (7, 1)])
def test_a_batch_of_a_single_image_is_trained_on_too(
    tiny_dataset: Dataset, tiny_data_config: DataConfig, images: int, batch_size: int
) -> None:
    from cifar.engines.tensorflow import TensorFlowEngine

    config = RunConfig(model=SMALL, data=tiny_data_config, training=TrainingConfig(batch_size=batch_size))
    train = Split(tiny_dataset.train.images[:images], tiny_dataset.train.labels[:images])
    scores = TensorFlowEngine(config, train).run_epoch(np.arange(images), lambda step: None)
    assert 0 < scores.loss < 10


def test_predictions_are_probabilities_in_the_order_of_the_images(
    tiny_dataset: Dataset, tiny_data_config: DataConfig
) -> None:
    from cifar.engines.tensorflow import TensorFlowEngine

    engine = TensorFlowEngine(RunConfig(model=SMALL, data=tiny_data_config), tiny_dataset.train)
    images = np.concatenate([tiny_dataset.test.images] * 30)  # 600: more than one batch
    predicted = engine.predict(images)
    assert predicted.shape == (600, 10)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(predicted[580:], engine.predict(tiny_dataset.test.images), atol=1e-6)


def test_a_loss_that_is_not_a_number_ends_the_epoch_at_that_step(
    tiny_dataset: Dataset, tiny_data_config: DataConfig
) -> None:
    from cifar.engines import DivergedError
    from cifar.engines.tensorflow import TensorFlowEngine

    config = RunConfig(
        model=SMALL,
        optimizer=SGD(learning_rate=100),
        data=tiny_data_config,
        training=TrainingConfig(batch_size=2),
    )
    engine = TensorFlowEngine(config, tiny_dataset.train)
    weights = engine.model.get_weights()
    weights[-1][:] = np.nan  # behind the last relu, which would turn it into 0
    engine.model.set_weights(weights)
    with pytest.raises(DivergedError) as raised:
        engine.run_epoch(np.arange(70), lambda step: None)
    assert raised.value.step == 1


def test_what_progress_raises_stops_the_epoch_within_a_second(tiny_data_config: DataConfig) -> None:
    from cifar.engines.tensorflow import TensorFlowEngine

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1500, 32, 32, 3), dtype=np.uint8)
    train = Split(images, (np.arange(1500) % 10).astype(np.uint8))
    config = RunConfig(model=Model3Config(), optimizer=SGD(), data=DataConfig(name="sample", validation_size=500))
    engine = TensorFlowEngine(config, train)
    raised_at: list[float] = []

    def interrupt(step: int) -> None:
        raised_at.append(time.monotonic())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.run_epoch(np.arange(1500), interrupt)
    assert time.monotonic() - raised_at[0] < 1
    assert int(engine.optimizer.iterations) < config.steps_per_epoch
    assert threading.active_count() < 20


def test_a_schedule_moves_the_rate_in_the_compiled_epoch(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    from cifar.config import Step
    from cifar.engines.tensorflow import TensorFlowEngine

    config = RunConfig(model=SMALL, optimizer=SGD(), schedule=Step(every_epochs=1, factor=0.1), data=tiny_data_config)
    engine = TensorFlowEngine(config, tiny_dataset.train)
    engine.run_epoch(np.arange(70), lambda step: None)
    assert float(engine.optimizer.learning_rate) == pytest.approx(0.001)
    before = engine.model.get_weights()[0]
    engine.run_epoch(np.arange(70), lambda step: None)
    second = np.abs(engine.model.get_weights()[0] - before).max()
    assert 0 < second < 0.01


def test_float16_scales_its_loss_and_still_learns(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    import keras

    from cifar.config import ComputeConfig
    from cifar.engines.tensorflow import TensorFlowEngine

    model = Model1Config(filters=4, dense_units=32, dropout_rate=0, dense_dropout_rate=0)
    optimizer = RMSprop(learning_rate=0.003)
    compute = ComputeConfig(precision="float16")
    config = RunConfig(model=model, optimizer=optimizer, data=tiny_data_config, compute=compute)
    engine = TensorFlowEngine(config, tiny_dataset.train)
    assert isinstance(engine.optimizer, keras.optimizers.LossScaleOptimizer)
    losses = [engine.run_epoch(np.arange(70), lambda step: None).loss for _ in range(15)]
    assert losses[-1] < losses[0] - 0.2


def test_an_engine_that_is_gone_leaves_no_images_in_memory(tiny_dataset: Dataset, tiny_data_config: DataConfig) -> None:
    import gc

    import tensorflow as tf

    from cifar.engines.tensorflow import TensorFlowEngine, _on_device

    def tensors_of_the_images() -> int:
        gc.collect()
        return sum(
            isinstance(found, tf.Tensor)
            and not tf.is_symbolic_tensor(found)
            and found.shape == tiny_dataset.train.images.shape
            for found in gc.get_objects()
        )

    _on_device.cache_clear()  # it keeps those of the last engine for the next one
    before = tensors_of_the_images()
    engine = TensorFlowEngine(RunConfig(model=SMALL, data=tiny_data_config), tiny_dataset.train)
    engine.run_epoch(np.arange(70), lambda step: None)
    assert tensors_of_the_images() > before
    del engine
    _on_device.cache_clear()
    assert tensors_of_the_images() == before


def test_engines_on_the_same_images_share_them_and_others_take_their_place(
    tiny_dataset: Dataset, tiny_data_config: DataConfig
) -> None:
    import gc
    import weakref

    from cifar.engines.tensorflow import TensorFlowEngine

    config = RunConfig(model=SMALL, data=tiny_data_config)
    train = Split(tiny_dataset.train.images.copy(), tiny_dataset.train.labels)
    first, second = TensorFlowEngine(config, train), TensorFlowEngine(config, train)
    assert first._images is second._images
    gone = weakref.ref(first._images)
    del first, second
    other = TensorFlowEngine(config, tiny_dataset.train)
    gc.collect()
    assert gone() is None
    assert other._images.shape == (70, 32, 32, 3)
