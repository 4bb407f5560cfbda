"""Engines that are used again: a network of the same shape is not traced and compiled for each training of it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import keras
import numpy as np

from cifar.config import Constant, RunConfig
from cifar.data import Split
from cifar.engines import Engine, build_engine, write_state
from cifar.engines.parts import build_parts
from cifar.fields import flatten

NOT_COMPILED = ("seed", "optimizer.learning_rate", "training.", "data.")
"""Settings, or nodes of them, that are in no compiled program under a constant rate (but for the batch size)."""

DROPOUT = {"model.dropout_rate", "model.dense_dropout_rate"}
"""Of these it is in the program whether anything is dropped, and with some engines how much (see `take_dropout`)."""


Rates = tuple[float, ...]


class KeptEngines:
    """Builds engines, and hands out one that it has, as good as new, where nothing that is compiled differs.

    Those of other images than were asked for last are not kept.

    Args:
        most_bytes: of the weights and slots of those that are kept; the ones that were used last are.
    """

    def __init__(self, most_bytes: int = 256_000_000) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[Hashable, Rates], Engine] = OrderedDict()
        self._train: Split | None = None

    @contextmanager
    def lent(self, config: RunConfig, train: Split) -> Iterator[Engine]:
        """An engine in the state that `build_engine` gives it; one whose training ended in an exception is not kept."""
        self._let_go_of_others(train)
        program, rates = _program(config, train), _rates(config)
        engine = self._taken(program, rates, config) or build_engine(config, train)
        yield engine
        self._kept[program, rates] = engine
        while sum(map(_bytes, self._kept.values())) > self._most_bytes:
            self._kept.popitem(last=False)

    def _taken(self, program: Hashable, rates: Rates, config: RunConfig) -> Engine | None:
        """One of this program, brought to the state of a new one; those with the same rates can always be."""
        fitting = sorted((key for key in self._kept if key[0] == program), key=lambda key: key[1] != rates)
        parts = build_parts(config) if fitting else None
        found = next((key for key in fitting if _renew(self._kept[key], *parts)), None) if parts else None
        return None if found is None else self._kept.pop(found)

    def _let_go_of_others(self, train: Split) -> None:
        """An engine holds its images, which may be a hundred times larger than its network."""
        if self._train is not train:
            self._kept.clear()
            self._train = train


def _rates(config: RunConfig) -> Rates:
    """How much is dropped."""
    return tuple(value for key, value in sorted(flatten(config).items()) if key in DROPOUT)


def _program(config: RunConfig, train: Split) -> Hashable:
    """What is in the compiled program. A rate that never changes is not: it is a variable; nor how much is dropped."""
    settings = flatten(config)
    if config.schedule == Constant():
        settings = {key: value for key, value in settings.items() if not key.startswith(NOT_COMPILED)}
    settings |= {key: settings[key] > 0 for key in DROPOUT & settings.keys()}
    return train, config.data.random_flip, config.training.batch_size, frozenset(settings.items())


def _renew(engine: Engine, model: keras.Sequential, optimizer: keras.optimizers.Optimizer) -> bool:
    """Bring an engine to the state of a new one; False if it has another dropout, which is compiled in."""
    if not engine.take_dropout(model):
        return False
    variables = [np.array(keras.ops.convert_to_numpy(variable)) for variable in optimizer.variables]
    write_state(engine, model.get_weights(), variables)
    return True


def _bytes(engine: Engine) -> int:
    return sum(4 * math.prod(variable.shape) for variable in [*engine.model.weights, *engine.optimizer.variables])
