"""How the trials of a sweep stand: a leaderboard for people, and the one that did best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.results.leaderboard import FinishedRun, Leaderboard, build_leaderboard
from experiments.search.config import OBJECTIVES
from experiments.search.history import History
from experiments.search.records import Trial
from experiments.tracking.spelling import spelled

_STATUS = {"finished": "FINISHED", "pruned": "PRUNED", "failed": "FAILED"}


def best_trial(trials: Iterable[Trial], objective: str) -> Trial | None:
    """The trial with the best score among those that were not stopped; the first of equals."""
    finished = [trial for trial in trials if trial.state == "finished"]
    return max(finished, key=lambda trial: OBJECTIVES[objective] * (trial.score or 0.0), default=None)


def standings(history: History) -> Leaderboard:
    """All trials that have ended, best first, by the best epoch of the objective."""
    assert history.sweep is not None
    metric = f"best_{history.sweep.objective}"
    ended = sorted(history.ended, key=lambda trial: trial.number)  # of equals the first, as `best_trial` has it
    return build_leaderboard([_finished_run(trial, metric) for trial in ended if trial.config], metric)


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every value of a whole configuration under its dotted key."""
    nodes = {node: inner if isinstance(inner, Mapping) else {"": inner} for node, inner in config.items()}
    return {f"{node}.{name}".rstrip("."): value for node, inner in nodes.items() for name, value in inner.items()}


def _finished_run(trial: Trial, metric: str) -> FinishedRun:
    params = {key: spelled(value) for key, value in flat(trial.config).items()}
    metrics = {metric: trial.score} if trial.score is not None else {}
    return FinishedRun(
        run_id=str(trial.facts.get("run_id", "")),
        name=f"trial {trial.number}",
        status=_STATUS[trial.state],
        params=params,
        metrics=metrics,
        error=trial.reason,
    )
