"""What a sweep is told besides its space: how to choose, what to look at, when to stop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from cifar.fields import ConfigError, Validated, choice, flag, integer, number, text
from experiments.suggestions import did_you_mean, near_option

Node = TypeVar("Node", bound=Validated)

OBJECTIVES = {"val_accuracy": 1, "val_loss": -1}
"""What a sweep can look at: validation only. 1 where more is better, -1 where less is."""

_ADDRESS = re.compile(r"(tcp|tls|ws|wss)://[^/\s]+:\d{1,5}")


@dataclass(frozen=True, kw_only=True)
class TunerConfig(Validated):
    """How points are chosen."""

    node = "tuner"
    name: str


@dataclass(frozen=True, kw_only=True)
class RandomConfig(TunerConfig):
    """keras-tuner's random search."""

    name: str = choice("random")


@dataclass(frozen=True, kw_only=True)
class GridConfig(TunerConfig):
    """Every combination; a range without steps gives `points_per_range` values from end to end."""

    name: str = choice("grid")
    points_per_range: int = integer(5, at_least=2, at_most=1000)


@dataclass(frozen=True, kw_only=True)
class BayesianConfig(TunerConfig):
    """keras-tuner's Gaussian process, after `initial_points` random ones; null: one for each searched key."""

    name: str = choice("bayesian")
    initial_points: int | None = integer(None, at_least=1, optional=True)


@dataclass(frozen=True, kw_only=True)
class HyperbandConfig(TunerConfig):
    """Li et al., 2018 (arXiv 1603.06560): many settings for few epochs; of those, one in `factor` goes on longer."""

    name: str = choice("hyperband")
    max_epochs: int = integer(50, at_least=2, at_most=100_000)
    factor: int = integer(3, at_least=2, at_most=100)


TUNERS: dict[str, type[TunerConfig]] = {
    "random": RandomConfig,
    "grid": GridConfig,
    "bayesian": BayesianConfig,
    "hyperband": HyperbandConfig,
}


@dataclass(frozen=True, kw_only=True)
class PruningConfig(Validated):
    """When a trial stops early: none, below the median of the others, or halving (out of the best 1/`factor`).

    Nothing is judged before `first_epoch`, nor by fewer than `min_trials` others that came as far.
    """

    node = "pruning"
    rule: str = choice("none", "median", "halving")
    first_epoch: int = integer(3, at_least=1)
    min_trials: int = integer(5, at_least=1)
    factor: int = integer(3, at_least=2, at_most=100)


@dataclass(frozen=True, kw_only=True)
class SweepConfig(Validated):
    """What to look at, when to stop, and how to end.

    `max_trials` null: as many as the tuner makes of itself, else 20. `max_minutes` counts all the time that was spent
    on a sweep, before a resume too. `final_seeds` is on how many seeds the winner and the default are trained in the
    end. `reuse` takes over what an equal run came to. `dry_run` only tells what would be tried.
    """

    node = "sweep"
    objective: str = choice(*OBJECTIVES)
    seed: int = integer(0, at_least=0, below=2**32)
    max_trials: int | None = integer(None, at_least=1, at_most=100_000, optional=True)
    max_minutes: float | None = number(None, above=0, optional=True)
    max_retries: int = integer(2, at_least=0, at_most=100)
    final_seeds: int = integer(3, at_least=0, at_most=1000)
    reuse: bool = flag(True)
    dry_run: bool = flag(False)


@dataclass(frozen=True, kw_only=True)
class WorkersConfig(Validated):
    """Who trains the trials: processes of this machine, or those of the Dask cluster at `address`.

    `count` null: one for each GPU, or else for each core as far as memory goes; of a cluster all of its workers. A
    trial that has not ended after `trial_timeout_minutes` is taken to hang: its worker is killed and it is tried again.
    """

    node = "workers"
    address: str | None = text(None, optional=True)
    count: int | None = integer(None, at_least=1, at_most=10_000, optional=True)
    trial_timeout_minutes: float | None = number(None, above=0, optional=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.address is not None and not _ADDRESS.fullmatch(self.address):
            raise ConfigError("workers.address", self.address, "PROTOCOL://HOST:PORT, such as tcp://127.0.0.1:8786")


def read_tuner(tree: Mapping[str, Any]) -> TunerConfig:
    """The checked settings of a tuner.

    Raises:
        ConfigError: there is no such tuner or setting, or a value cannot be used.
    """
    name = tree.get("name")
    if not isinstance(name, str) or name not in TUNERS:
        near = near_option(str(name), TUNERS)
        raise ConfigError("tuner", name, "one of " + ", ".join(TUNERS), did_you_mean([f"tuner={near}"] if near else []))
    return read_node(TUNERS[name], tree)


def read_node(cls: type[Node], tree: Mapping[str, Any]) -> Node:
    """A node of settings from plain values.

    Raises:
        ConfigError: there is no such setting, or a value cannot be used.
    """
    names = [item.name for item in fields(cls)]
    for key, value in tree.items():
        if key not in names:
            near = near_option(str(key), names)
            hint = did_you_mean([cls.key(near)] if near else [])
            raise ConfigError(cls.key(str(key)), value, f"no such key; {cls.node} has {', '.join(names)}", hint)
    return cls(**tree)
