"""The layers for two cores compute what Keras' layers compute, and their dropout is random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cifar.config import Model1Config, Model2Config, Model3Config, ModelConfig

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")

STILL: dict[str, Any] = {"dropout_rate": 0, "dense_dropout_rate": 0}
NETWORKS = {
    "model1": Model1Config(filters=4, dense_units=8, **STILL),
    "model2": Model2Config(filters=4, dense_units=8, **STILL),
    "model3": Model3Config(filters=4, dense_units=8, **STILL),
    "model3, two blocks": Model3Config(filters=2, dense_units=8, depth=2, **STILL),
    "model1, not pooled": Model1Config(filters=4, dense_units=8, pool_size=1, **STILL),
}


def images(count: int) -> np.ndarray:
    """Half noise, half plain areas, where neighbours are equal."""
    drawn = np.random.default_rng(0).uniform(size=(count, 32, 32, 3)).astype("float32")
    drawn[:, 8:24] = 1.0
    return drawn


@pytest.mark.parametrize("count", [2, 7, 32])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_probabilities_and_gradients_are_those_of_keras(network: ModelConfig, count: int) -> None:
    import tensorflow as tf

    from cifar.engines.layers import build_forward, halves
    from cifar.models import build_model

    model, batch = build_model(network, seed=3), tf.constant(images(count))
    forward, _ = build_forward(model)
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        ours = forward(halves(batch))
        of_ours = tape.gradient(tf.reduce_sum(tf.math.log(ours)[:, 0]), variables)
    with tf.GradientTape() as tape:
        theirs = model(batch, training=True)
        of_theirs = tape.gradient(tf.reduce_sum(tf.math.log(theirs)[:, 0]), variables)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for mine, expected in zip(of_ours, of_theirs, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-4 * float(np.abs(expected).max()))


@pytest.mark.parametrize("shape", [(2, 6, 6, 3), (2, 7, 5, 1)])
def test_of_equal_values_the_first_gets_the_gradient_as_in_tensorflow(shape: tuple[int, ...]) -> None:
    import tensorflow as tf

    from cifar.engines.layers import max_pool

    values = tf.constant(np.random.default_rng(0).integers(0, 2, shape).astype("float32"))
    upstream = tf.constant(
        np.random.default_rng(1).normal(size=(2, shape[1] // 2, shape[2] // 2, shape[3])), tf.float32
    )
    gradients = []
    for pool in (max_pool, lambda values: tf.nn.max_pool2d(values, 2, 2, "VALID")):
        with tf.GradientTape() as tape:
            tape.watch(values)
            pooled = pool(values)
        gradients.append(tape.gradient(pooled, values, output_gradients=upstream).numpy())
    assert np.array_equal(*gradients)


@pytest.mark.parametrize("rate", [0.2, 0.25, 0.5, 0.9, 1e-9, 1 - 1e-12])
def test_dropout_keeps_its_share_and_the_mean(rate: float) -> None:
    import tensorflow as tf

    from cifar.engines.layers import Rate, dropout

    values = dropout(tf.ones([1000, 999]), Rate.of(rate), tf.constant([5, 6], tf.uint32)).numpy()
    kept = np.count_nonzero(values) / values.size
    assert kept == pytest.approx(1 - rate, abs=2e-3)
    assert len(np.unique(values)) <= 2
    if 0.1 < rate < 0.9:
        assert values.mean() == pytest.approx(1, abs=5e-3)
        assert np.corrcoef(values[:-1].ravel(), values[1:].ravel())[0, 1] == pytest.approx(0, abs=5e-3)
        assert np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1] == pytest.approx(0, abs=5e-3)


@pytest.mark.parametrize("rate", [0.2, 1 / 3, 0.613, 0.9])
def test_a_rate_that_can_be_changed_gives_the_bits_of_one_that_is_compiled_in(rate: float) -> None:
    import tensorflow as tf

    from cifar.engines.layers import Rate, dropout, random_bits

    values, seed = tf.random.stateless_normal([100, 37], [1, 2]), tf.constant([5, 6], tf.uint32)

    @tf.function(jit_compile=True)
    def constant(values: tf.Tensor) -> tf.Tensor:
        threshold = tf.constant(round(rate * 2**32), tf.uint32)
        return tf.where(random_bits(values, seed) >= threshold, values / (1 - rate), 0.0)

    changed = Rate.variable(0.5)
    half = dropout(values, changed, seed).numpy()
    changed.assign(rate)
    ours = dropout(values, changed, seed).numpy()
    assert np.array_equal(ours, constant(values).numpy())
    assert np.count_nonzero(half) != np.count_nonzero(ours)


def test_what_was_dropped_gets_no_gradient_and_the_rest_is_scaled() -> None:
    import tensorflow as tf

    from cifar.engines.layers import Rate, bias_relu_dropout

    values, bias = tf.ones([50, 8]), tf.range(-3.5, 4.5)
    with tf.GradientTape() as tape:
        tape.watch([values, bias])
        out = bias_relu_dropout(values, bias, Rate.of(0.2), tf.constant([1, 2], tf.uint32))
    of_values, of_bias = tape.gradient(out, [values, bias])
    alive = out.numpy() > 0
    assert 0 < alive[:, 4:].mean() < 1
    assert not alive[:, :2].any()  # 1 - 3.5 and 1 - 2.5: relu
    np.testing.assert_allclose(of_values, alive * 1.25)
    np.testing.assert_allclose(of_bias, (alive * 1.25).sum(axis=0), rtol=1e-6)


def test_dropout_is_new_in_each_half_and_at_each_call_and_repeats_from_the_same_state() -> None:
    import keras
    import tensorflow as tf

    from cifar.engines.layers import build_forward

    layer = keras.layers.Dropout(0.5, seed=1)
    model = keras.Sequential([keras.Input([13]), layer])
    (forward, _), ones = build_forward(model), tf.ones([7, 13])
    state = layer.seed_generator.state.numpy()
    first, second = forward([ones, ones]).numpy(), forward([ones, ones]).numpy()
    layer.seed_generator.state.assign(state)
    assert not np.array_equal(first[:7], first[7:])
    assert not np.array_equal(first, second)
    assert np.array_equal(first, forward([ones, ones]).numpy())


def test_every_bit_is_as_often_0_as_1_and_seeds_side_by_side_have_nothing_in_common() -> None:
    import tensorflow as tf

    from cifar.engines.layers import random_bits

    ones = tf.ones([2**18])
    drawn = [random_bits(ones, tf.constant([7, count], tf.uint32)).numpy() for count in range(3)]
    drawn.append(random_bits(ones, tf.constant([8, 0], tf.uint32)).numpy())
    bits = np.stack([np.unpackbits(words.view(np.uint8)).reshape(-1, 32) for words in drawn])
    np.testing.assert_allclose(bits.mean(axis=1), 0.5, atol=0.005)  # 5 standard deviations
    for one in range(4):
        for other in range(one):
            agree = (bits[one] == bits[other]).mean(axis=0)
            np.testing.assert_allclose(agree, 0.5, atol=0.005)
            assert np.intersect1d(drawn[one], drawn[other]).size < 40  # 16 are expected of 2 x 2**18 draws
    bytes_seen = np.bincount(drawn[0].view(np.uint8), minlength=256)
    chi_square = ((bytes_seen - bytes_seen.mean()) ** 2 / bytes_seen.mean()).sum()
    assert 165 < chi_square < 350  # 255 degrees of freedom: 99.99 % lie between
