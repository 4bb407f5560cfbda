"""The three networks have the shapes and parameter counts of the source document."""

from __future__ import annotations

import numpy as np
import pytest

from cifar.config import MODELS, Model3Config, ModelConfig

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu")


@pytest.mark.parametrize(
    ("name", "per_layer"),
    [
        ("model1", [2432, 25632, 147968, 5130]),
        ("model2", [896, 9248, 18496, 36928, 1180160, 5130]),
        ("model3", [896, 9248, 4194816, 5130]),
    ],
)
def test_each_network_has_the_documents_parameters(name: str, per_layer: list[int]) -> None:
    from cifar.models import build_model, layer_table

    table = layer_table(build_model(MODELS[name](), seed=0))
    assert [parameters for *_, parameters in table if parameters] == per_layer


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("model1", [(16, 16, 32), (6, 6, 32), (3, 3, 32), (288,), (512,), (10,)]),
        (
            "model2",
            [
                (32, 32, 32),
                (30, 30, 32),
                (15, 15, 32),
                (15, 15, 64),
                (13, 13, 64),
                (6, 6, 64),
                (2304,),
                (512,),
                (10,),
            ],
        ),
        ("model3", [(32, 32, 32), (32, 32, 32), (16, 16, 32), (8192,), (512,), (10,)]),
    ],
)
def test_each_network_has_the_documents_shapes(name: str, shapes: list[tuple[int, ...]]) -> None:
    from cifar.models import build_model, layer_table

    table = layer_table(build_model(MODELS[name](), seed=0))
    assert [shape for _, kind, shape, _ in table if kind != "Dropout"] == shapes


@pytest.mark.parametrize(
    ("config", "products"),
    [
        (
            MODELS["model1"](),  # output positions x kernel x channels in x channels out; then the dense layers
            16 * 16 * 25 * 3 * 32 + 6 * 6 * 25 * 32 * 32 + 288 * 512 + 512 * 10,
        ),
        (
            MODELS["model2"](),
            (32 * 32 * 3 + 30 * 30 * 32) * 9 * 32
            + (15 * 15 * 32 + 13 * 13 * 64) * 9 * 64
            + (6 * 6 * 64) * 512
            + 512 * 10,
        ),
        (MODELS["model3"](), 32 * 32 * (3 + 32) * 9 * 32 + (16 * 16 * 32) * 512 + 512 * 10),
        (
            Model3Config(depth=2, filters=16, dense_units=64),
            32 * 32 * (3 + 16) * 9 * 16 + 16 * 16 * (16 + 32) * 9 * 32 + (8 * 8 * 32) * 64 + 64 * 10,
        ),
    ],
)
def test_the_work_of_an_image_is_that_of_convolutions_and_dense_layers(config: ModelConfig, products: int) -> None:
    from cifar.models import multiply_adds

    assert multiply_adds(config) == products


def test_depth_repeats_the_block_of_model3_with_twice_the_filters() -> None:
    from cifar.models import build_model, layer_table

    table = layer_table(build_model(Model3Config(depth=3), seed=0))
    assert [shape for name, _, shape, _ in table if name.startswith("pool")] == [(16, 16, 32), (8, 8, 64), (4, 4, 128)]


def test_model3_keeps_its_hidden_kernels_within_a_norm_of_three() -> None:
    from cifar.models import build_model

    layers = {layer.name: layer for layer in build_model(Model3Config(), seed=0).layers}
    assert [layers[name].kernel_constraint.max_value for name in ("conv1a", "conv1b", "dense")] == [3.0, 3.0, 3.0]
    assert layers["classes"].kernel_constraint is None


def test_the_seed_decides_the_weights() -> None:
    from cifar.models import build_model

    first, again, other = (build_model(MODELS["model1"](), seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_every_extreme_size_that_is_allowed_can_be_built() -> None:
    from cifar.models import build_model

    for name in MODELS:
        for kernel_size, pool_size in ((1, 1), (7, 1), (7, 2)):
            config = MODELS[name](filters=1, dense_units=1, kernel_size=kernel_size, pool_size=pool_size)
            assert build_model(config, seed=0).output_shape == (None, 10)


def test_a_network_for_raw_pixels_answers_as_the_one_for_scaled_images() -> None:
    from cifar.models import build_model, with_raw_input

    model = build_model(MODELS["model1"](), seed=0)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    raw, scaled = with_raw_input(model)(pixels), model(pixels.astype(np.float32) / 255)
    np.testing.assert_allclose(np.asarray(raw), np.asarray(scaled), atol=1e-6)


def test_reduced_precision_keeps_weights_and_probabilities_in_float32() -> None:
    from cifar.models import build_model

    model = build_model(MODELS["model1"](), seed=0, precision="bfloat16")
    assert model.layers[0].compute_dtype == "bfloat16"
    assert {str(weight.dtype) for weight in model.trainable_variables} == {"float32"}
    assert model(np.zeros((1, 32, 32, 3), np.float32)).dtype.name == "float32"
