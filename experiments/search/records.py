"""What a ledger tells of: a sweep, its limits, its trials."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from experiments.search.space import Point

FORMAT = 1
ENDED = ("finished", "pruned", "failed")


class SweepError(Exception):
    """A sweep cannot begin or go on; what is wrong and how to mend it, in one line."""


@dataclass(frozen=True)
class Rung:
    """Where a trial stands in Hyperband, and how long it trains.

    Attributes:
        bracket: from 0, in the order in which brackets begin.
        level: from 0; a trial of a higher level goes on from one of the level below.
        from_trial: the number of the trial that it goes on from; None at level 0.
        initial_epoch: epochs that are behind it already.
        epochs: epochs at its end, those included.
    """

    bracket: int
    level: int
    from_trial: int | None
    initial_epoch: int
    epochs: int


@dataclass(frozen=True)
class Trial:
    """One setting of a sweep and what became of it; or one of the trainings that end a sweep (see `finals`).

    Attributes:
        number: from 1, in the order of proposal; final trainings have numbers of their own.
        config: the whole configuration of its run, nested, as it was when the trial was proposed.
        state: proposed, running, or one of `ENDED`.
        attempts: how often it was started; `lost`: how often its worker died.
        score: of a trial that finished or was pruned, the best value of the objective.
        reason: why it failed or was pruned.
        curve: the objective after each epoch; None where it was no number.
        facts: what whoever ran it wants to find again (an MLflow run, a folder).
        of: of a final training, whose setting it has: the winner's or the default.
    """

    number: int
    point: Point
    config: Mapping[str, Any]
    rung: Rung | None = None
    state: str = "proposed"
    attempts: int = 0
    lost: int = 0
    score: float | None = None
    reason: str | None = None
    curve: tuple[float | None, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    of: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it will not run any more."""
        return self.state in ENDED


@dataclass(frozen=True)
class Sweep:
    """What a sweep is; none of it changes when it is resumed, so that its trials can be compared.

    Attributes:
        space, tuner, pruning: as they stood in the files, plain values.
        bases: {"picks", "config"} for each combination of searched groups (see plan.Base).
        default: the whole configuration that the winner is compared with in the end.
        code: commit and versions at the beginning.
    """

    name: str
    space: Mapping[str, Any]
    tuner: Mapping[str, Any]
    pruning: Mapping[str, Any]
    objective: str
    seed: int
    bases: tuple[Mapping[str, Any], ...]
    default: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """How far a sweep goes, which may be changed when it is resumed.

    Attributes:
        max_minutes: that it is worked on, all sessions together; final trainings come after them.
        max_retries: how often a trial is tried again whose worker died.
        final_seeds: on how many seeds the winner and the default are trained in the end.
        reuse: whether a trial takes over what an equal run came to.
    """

    max_trials: int
    max_minutes: float | None = None
    max_retries: int = 2
    final_seeds: int = 0
    reuse: bool = False


def differences(before: Sweep, now: Sweep) -> list[str]:
    """What two sweeps differ in, key by key, as `seed=0, now 1`; names and code do not count."""
    old, new = (_flat({**asdict(sweep), "name": None, "code": None}) for sweep in (before, now))
    keys = [*old, *(key for key in new if key not in old)]
    pairs = [(key, old.get(key, "nothing"), new.get(key, "nothing")) for key in keys]
    return [f"{key}={one}, now {other}" for key, one, other in pairs if one != other]


def _flat(tree: Any) -> dict[str, Any]:
    return dict(_leaves("", json.loads(json.dumps(tree))))  # as it is read again: JSON has no tuples


def _leaves(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every value under its dotted key, as text; a list of plain values is one."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{place}.{key}" if place else key, item)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(f"{place}[{number}]", item)
    else:
        yield place, json.dumps(value)
