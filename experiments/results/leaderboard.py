"""Finished runs in, a leaderboard out: equal configs grouped over their seeds, best validation first.

Test accuracy stands beside, but nothing is ever ranked by it: whoever chooses looks at validation only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.results.statistics import Summary, summarize, t_interval

SEED = "seed"
TEST = "test_accuracy"
SECTIONS = ("model", "optimizer", "schedule", "training", "data", "compute")
ALWAYS_TELLS = "optimizer.learning_rate"


@dataclass(frozen=True)
class FinishedRun:
    """One run as the tracker recorded it.

    Attributes:
        status: MLflow's: FINISHED, FAILED, KILLED, RUNNING, SCHEDULED.
        params: the config, dotted keys ("optimizer.learning_rate") and values as text.
        metrics: the last value of each.
        error: why it failed, if it did.
    """

    run_id: str
    name: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    error: str | None = None


@dataclass(frozen=True)
class Configuration:
    """Finished runs whose params are equal but for the seed.

    `validation` and `test` are over seeds; None where no run has the metric.
    """

    params: Mapping[str, str]
    runs: tuple[FinishedRun, ...]
    validation: Summary | None
    test: Summary | None


@dataclass(frozen=True)
class Leaderboard:
    """Who did best; `columns` are the params that tell the configurations apart."""

    metric: str
    columns: tuple[str, ...]
    ranked: tuple[Configuration, ...]
    unranked: tuple[Configuration, ...]
    unfinished: tuple[FinishedRun, ...]


def build_leaderboard(runs: Iterable[FinishedRun], metric: str = "val_accuracy") -> Leaderboard:
    """Groups and ranks runs by the mean of a validation metric; a loss ranks lowest first.

    Configurations without that metric come after, unranked; runs that did not finish come last.
    """
    if metric.startswith("test"):
        raise ValueError(f"metric={metric}: expected a validation metric; test data never ranks")
    runs = tuple(runs)
    finished = [run for run in runs if run.status == "FINISHED"]
    configurations = [_configuration(same, metric) for same in _by_config(finished)]
    sign = 1 if metric.endswith("loss") else -1
    scored = [(sign * c.validation.mean, c) for c in configurations if c.validation]
    return Leaderboard(
        metric,
        _columns([_without_seed(run) for run in runs]),
        tuple(c for _, c in sorted(scored, key=lambda pair: pair[0])),
        tuple(c for c in configurations if not c.validation),
        tuple(run for run in runs if run.status != "FINISHED"),
    )


def _without_seed(run: FinishedRun) -> dict[str, str]:
    return {key: value for key, value in run.params.items() if key != SEED}


def _by_config(runs: Iterable[FinishedRun]) -> list[tuple[FinishedRun, ...]]:
    groups: dict[frozenset[tuple[str, str]], list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault(frozenset(_without_seed(run).items()), []).append(run)
    return [tuple(group) for group in groups.values()]


def _configuration(runs: tuple[FinishedRun, ...], metric: str) -> Configuration:
    return Configuration(_without_seed(runs[0]), runs, _over_seeds(runs, metric), _over_seeds(runs, TEST))


def by_seed(runs: Iterable[FinishedRun], metric: str) -> dict[str, float]:
    """A metric for each seed; a run without one counts as a seed of its own.

    A seed that ran twice repeats itself and is no new evidence: its runs count as one, their mean.
    """
    found: dict[str, list[float]] = {}
    for run in runs:
        value = run.metrics.get(metric, math.nan)
        if math.isfinite(value):
            found.setdefault(run.params.get(SEED, run.run_id), []).append(value)
    return {seed: summarize(values).mean for seed, values in found.items()}


def _over_seeds(runs: Iterable[FinishedRun], metric: str) -> Summary | None:
    values = by_seed(runs, metric)
    return summarize([*values.values()]) if values else None


def _columns(configs: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """The keys whose values differ; what follows from a `name` (rho from rmsprop) goes without saying."""
    keys = {key for config in configs for key in config}
    differing = [key for key in keys if len({config.get(key) for config in configs}) > 1]
    return tuple(sorted((key for key in differing if not _follows_from_name(key, configs)), key=_place))


def _follows_from_name(key: str, configs: Iterable[Mapping[str, str]]) -> bool:
    name = f"{key.split('.')[0]}.name"
    if key in (name, ALWAYS_TELLS):
        return False
    values: dict[str | None, set[str | None]] = {}
    for config in configs:
        values.setdefault(config.get(name), set()).add(config.get(key))
    return None not in values and all(len(found) == 1 for found in values.values())


def _place(key: str) -> tuple[Any, ...]:
    section = key.split(".")[0]
    known = SECTIONS.index(section) if section in SECTIONS else len(SECTIONS)
    return not key.endswith(".name"), key != ALWAYS_TELLS, known, key


def as_json(board: Leaderboard) -> dict[str, Any]:
    """The whole board with every param and exact numbers, of types that `json` can write."""
    return {
        "metric": board.metric,
        "columns": list(board.columns),
        "ranked": [{"rank": rank} | _entry(c) for rank, c in enumerate(board.ranked, 1)],
        "unranked": [_entry(c) for c in board.unranked],
        "unfinished": [_identity(run) | {"params": dict(run.params), "error": run.error} for run in board.unfinished],
    }


def _entry(configuration: Configuration) -> dict[str, Any]:
    return {
        "params": dict(configuration.params),
        "validation": _numbers(configuration.validation),
        "test": _numbers(configuration.test),
        "runs": [_identity(run) | {SEED: run.params.get(SEED)} for run in configuration.runs],
    }


def _identity(run: FinishedRun) -> dict[str, Any]:
    return {"run_id": run.run_id, "name": run.name, "status": run.status}


def _numbers(summary: Summary | None) -> dict[str, Any] | None:
    if summary is None:
        return None
    interval = t_interval(summary)
    return asdict(summary) | {"interval_95": list(interval) if interval else None}
