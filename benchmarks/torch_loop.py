"""The three networks trained by a hand-written PyTorch loop, in several ways: which is fastest differs by network.

PyTorch is not among the project's requirements (in most places its package brings gigabytes of GPU libraries).
`pip install torch==2.13.0` adds it; a CPU build will do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
import torch.nn.functional as F  # type: ignore[import-not-found,unused-ignore]  # noqa: N812
from torch import nn  # type: ignore[import-not-found,unused-ignore]

from cifar.config import NUM_CLASSES, SGD, Model3Config, ModelConfig, RMSprop, RunConfig
from cifar.data import Split

TRIAL_STEPS = 40
TRIAL_ROUNDS = 3


@dataclass(frozen=True)
class Variant:
    """One way to write the loop."""

    compiled: bool
    channels_last: bool

    @property
    def name(self) -> str:
        """In words."""
        return f"{'compiled' if self.compiled else 'eager'}, channels {'last' if self.channels_last else 'first'}"


# Compiled with channels first was the slowest for every network, and compiling takes most of the time here.
VARIANTS = [Variant(False, False), Variant(False, True), Variant(True, True)]


def build_network(config: ModelConfig) -> nn.Sequential:
    """The layers of `cifar.models`, without the softmax, which is in PyTorch's loss."""
    return nn.Sequential(*_BODIES[config.name](config), nn.Flatten(), *_head(config))


def _model1(config: Any) -> list[nn.Module]:
    # padding on both sides, where TensorFlow pads one row more on one side: the output is as large
    filters, size, strides = config.filters, config.kernel_size, config.strides
    return [
        nn.Conv2d(3, filters, size, strides, padding=size // 2),
        nn.ReLU(),
        nn.Conv2d(filters, filters, size, strides),
        nn.ReLU(),
        nn.MaxPool2d(config.pool_size),
        nn.Dropout(config.dropout_rate),
    ]


def _model2(config: Any) -> list[nn.Module]:
    body: list[nn.Module] = []
    for inputs, filters in ((3, config.filters), (config.filters, 2 * config.filters)):
        body += [
            nn.Conv2d(inputs, filters, config.kernel_size, padding="same"),
            nn.ReLU(),
            nn.Conv2d(filters, filters, config.kernel_size),
            nn.ReLU(),
            nn.MaxPool2d(config.pool_size),
            nn.Dropout(config.dropout_rate),
        ]
    return body


def _model3(config: Any) -> list[nn.Module]:
    return [
        nn.Conv2d(3, config.filters, config.kernel_size, padding="same"),
        nn.ReLU(),
        nn.Dropout(config.dropout_rate),
        nn.Conv2d(config.filters, config.filters, config.kernel_size, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(config.pool_size),
    ]


_BODIES: dict[str, Callable[[Any], list[nn.Module]]] = {"model1": _model1, "model2": _model2, "model3": _model3}
_FLAT = {"model1": 288, "model2": 2304, "model3": 8192}


def _head(config: ModelConfig) -> list[nn.Module]:
    return [
        nn.Linear(_FLAT[config.name], config.dense_units),
        nn.ReLU(),
        nn.Dropout(config.dense_dropout_rate),
        nn.Linear(config.dense_units, NUM_CLASSES),
    ]


def build_optimizer(config: RunConfig, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer in its fastest form: one kernel for all weights where PyTorch has it on a CPU."""
    match config.optimizer:
        case SGD(learning_rate=rate, momentum=momentum):
            return torch.optim.SGD(network.parameters(), lr=rate, momentum=momentum, fused=True)
        case RMSprop(learning_rate=rate, rho=rho, epsilon=epsilon):
            return torch.optim.RMSprop(network.parameters(), lr=rate, alpha=rho, eps=epsilon, foreach=True)
    raise ValueError(f"no PyTorch form of {config.optimizer.name} here")


class Loop:
    """A network, its optimizer and the images, and a way to train an epoch."""

    def __init__(self, config: RunConfig, split: Split, variant: Variant) -> None:
        torch.manual_seed(config.seed)
        torch.set_flush_denormal(True)  # as TensorFlow does
        self.name = variant.name
        self.network = build_network(config.model).train()
        images = torch.from_numpy(split.images.astype(np.float32) / 255).permute(0, 3, 1, 2)
        layout = torch.channels_last if variant.channels_last else torch.contiguous_format
        self.network.to(memory_format=layout)
        self._images = images.contiguous(memory_format=layout)
        self._labels = torch.from_numpy(split.labels.astype(np.int64))
        self._batch_size = config.training.batch_size
        self._optimizer = build_optimizer(config, self.network)
        self._limits = _limits(config.model, self.network)
        self._forward = torch.compile(self._scores) if variant.compiled else self._scores
        # PyTorch compiles RMSprop into one pass over each weight; SGD has such a kernel already.
        compile_update = variant.compiled and isinstance(self._optimizer, torch.optim.RMSprop)
        self._update = torch.compile(self._optimizer.step) if compile_update else self._optimizer.step

    def run_epoch(self, steps: int | None = None) -> tuple[float, float]:
        """Train once over the images in a new order, or a few steps of it; returns mean loss and accuracy."""
        seen, loss, right = 0, torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for batch in torch.randperm(len(self._labels)).split(self._batch_size)[:steps]:
            batch_loss, batch_right = self._forward(self._images[batch], self._labels[batch])
            self._optimizer.zero_grad(set_to_none=True)
            batch_loss.backward()
            self._update()
            self._shorten()
            seen += len(batch)
            loss += batch_loss.detach() * len(batch)
            right += batch_right
        return float(loss) / seen, float(right) / seen

    def _scores(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.network(images)
        return F.cross_entropy(logits, labels), (logits.argmax(1) == labels).sum()

    @torch.no_grad()
    def _shorten(self) -> None:
        """Keras' max-norm, writing only to weights that are too long."""
        for weight, axis, limit in self._limits:
            norm = torch.linalg.vector_norm(weight, dim=axis, keepdim=True)
            if (norm > limit).any():
                weight.mul_(norm.clamp(max=limit) / (norm + 1e-7))


def _limits(config: ModelConfig, network: nn.Sequential) -> list[tuple[torch.Tensor, int, float]]:
    """Weights under max-norm: all but the last layer's. The axis is what Keras' axis 0 becomes in PyTorch's order."""
    if not isinstance(config, Model3Config) or config.max_norm is None:
        return []
    layers = [layer for layer in network if isinstance(layer, nn.Conv2d | nn.Linear)][:-1]
    return [(layer.weight, 2 if isinstance(layer, nn.Conv2d) else 1, config.max_norm) for layer in layers]


def fastest_loop(config: RunConfig, split: Split, variants: list[Variant] = VARIANTS) -> tuple[Loop, dict[str, float]]:
    """Try each way of writing the loop, a little in turn; returns the fastest and all their images per second."""
    loops = [Loop(config, split, variant) for variant in variants]
    steps = min(TRIAL_STEPS, config.steps_per_epoch)
    for loop in loops:
        loop.run_epoch(2)
        loop.run_epoch()  # compiles for the last, smaller batch too
    best = {loop.name: float("inf") for loop in loops}
    for _ in range(TRIAL_ROUNDS):
        for loop in loops:
            started = time.perf_counter()
            loop.run_epoch(steps)
            best[loop.name] = min(best[loop.name], time.perf_counter() - started)
    rates = {name: round(steps * config.training.batch_size / taken, 1) for name, taken in best.items()}
    return max(loops, key=lambda loop: rates[loop.name]), rates
