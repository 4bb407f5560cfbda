"""The PyTorch peer; only where PyTorch is installed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import torch_loop  # noqa: E402
from benchmarks.tasks import Task  # noqa: E402
from cifar.data import Split  # noqa: E402

EAGER = torch_loop.Variant(compiled=False, channels_last=True)


@pytest.mark.parametrize(("model", "parameters"), [("model1", 181_162), ("model2", 1_250_858), ("model3", 4_210_090)])
def test_the_networks_have_as_many_parameters_as_in_keras(model: str, parameters: int) -> None:
    network = torch_loop.build_network(Task(model, 64, "sample").config.model)
    assert sum(weight.numel() for weight in network.parameters()) == parameters
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("model", ["model1", "model3"])
def test_the_loop_learns(model: str, tiny_split: Split) -> None:
    loop = torch_loop.Loop(Task(model, 70, "sample").config, tiny_split, EAGER)
    first, _ = loop.run_epoch()
    for _ in range(12):
        last, _ = loop.run_epoch()
    assert last < first


def test_max_norm_shortens_only_what_is_too_long(tiny_split: Split) -> None:
    loop = torch_loop.Loop(Task("model3", 70, "sample").config, tiny_split, EAGER)
    assert len(loop._limits) == 3
    weight, axis, limit = loop._limits[-1]
    with torch.no_grad():
        weight[0] *= 100
    before = weight[1].clone()
    loop._shorten()
    assert torch.linalg.vector_norm(weight, dim=axis).max() <= limit
    torch.testing.assert_close(weight[1], before)


def test_the_fastest_way_is_kept_and_all_are_reported(tiny_split: Split) -> None:
    ways = [EAGER, torch_loop.Variant(compiled=False, channels_last=False)]
    loop, rates = torch_loop.fastest_loop(Task("model1", 70, "sample").config, tiny_split, ways)
    assert set(rates) == {"eager, channels last", "eager, channels first"}
    assert rates[loop.name] == max(rates.values())


@pytest.fixture
def tiny_split() -> Split:
    labels = (np.arange(70) % 10).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 30, (70, 32, 32, 3))
    return Split((noise + 20 * labels[:, None, None, None]).astype(np.uint8), labels)
