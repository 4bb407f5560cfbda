"""How a sweep ends: winner and default, trained again on seeds that chose nothing, and scored on the test images.

The best of many trials looks better than it is, since luck helped to choose it. Only here are the test images looked
at, once for each of these trainings, when nothing is left to be chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from experiments.results.statistics import Difference, Summary, difference, summarize
from experiments.search.board import best_trial
from experiments.search.history import History
from experiments.search.records import Trial
from experiments.search.space import Point

WINNER, DEFAULT = "winner", "default"
SCORE = "test_accuracy"


@dataclass(frozen=True)
class Wanted:
    """A training that a sweep ends with: on one seed, with the winner's settings or the default's (`of`)."""

    of: str
    point: Point
    config: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What the winner scores on the test images, beside the default.

    Attributes:
        winner: the trial; `scores` and `default` are None where no training of theirs finished.
        compared: whether there is a default with other settings than the winner's.
        difference: winner less default; None where one of them has no score. It has no interval where one of them has
            a single one, or all seeds of either came to the same.
        settings: how many settings were tried, whatever came of them.
        seeds: that the final trainings had, those that failed included.
        failed: how many of them failed.
        looks: how often this sweep looked at the test images: its earlier winners, before it went on further, too, but
            not for what was taken over from equal runs.
    """

    winner: Trial
    compared: bool
    scores: Summary | None
    default: Summary | None
    difference: Difference | None
    settings: int
    seeds: tuple[int, ...]
    failed: int
    looks: int


def as_judged(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that keeps the best epoch, as a trial is judged by its best one.

    That is the one with the best validation accuracy, which under the objective val_loss may be another.
    """
    return {**config, "training": {**config["training"], "restore_best_weights": True}}


def wanted(history: History) -> list[Wanted]:
    """All trainings that this sweep, as it stands, ends with; each seed's winner before its default."""
    assert history.sweep is not None
    best = best_trial(history.trials, history.sweep.objective)
    if best is None:
        return []
    settings = [Wanted(WINNER, best.point, as_judged(best.config))]
    if history.sweep.default:
        default = as_judged(history.sweep.default)
        if {**default, "seed": None} != {**settings[0].config, "seed": None}:
            settings.append(Wanted(DEFAULT, {}, default))
    seeds = _untried(history, settings[-1].config["seed"])
    return [Wanted(item.of, item.point, {**item.config, "seed": seed}) for seed in seeds for item in settings]


def _untried(history: History, after: int) -> list[int]:
    """So many seeds as are asked for that no trial had, the first ones after this one."""
    tried = {trial.config.get("seed") for trial in history.trials}
    numbers = ((after + step) % 2**32 for step in count(1))
    return list(islice((seed for seed in numbers if seed not in tried), history.limits.final_seeds))


def next_wanted(history: History) -> Wanted | None:
    """The first of them that was not begun; one that another winner, or an earlier session, had is not made twice."""
    made = [final.config for final in history.finals]
    return next((item for item in wanted(history) if item.config not in made), None)


def missing(history: History) -> list[Wanted]:
    """Those of them that have not ended."""
    ended = [final.config for final in history.finals if final.has_ended]
    return [item for item in wanted(history) if item.config not in ended]


def verdict(history: History) -> Verdict | None:
    """What the final trainings say; None while one is missing, and where there are none."""
    assert history.sweep is not None
    asked = wanted(history)
    best = best_trial(history.trials, history.sweep.objective)
    if best is None or not asked or missing(history):
        return None
    found = [(item.of, next(final for final in history.finals if final.config == item.config)) for item in asked]
    scores = {
        of: [final.facts[SCORE] for kind, final in found if kind == of and final.state == "finished"]
        for of in (WINNER, DEFAULT)
    }
    both = bool(scores[WINNER] and scores[DEFAULT])
    return Verdict(
        winner=best,
        compared=any(of == DEFAULT for of, _ in found),
        scores=summarize(scores[WINNER]) if scores[WINNER] else None,
        default=summarize(scores[DEFAULT]) if scores[DEFAULT] else None,
        difference=difference(scores[WINNER], scores[DEFAULT]) if both else None,
        settings=len({frozenset(trial.point.items()) for trial in history.ended}),
        seeds=tuple(dict.fromkeys(item.config["seed"] for item in asked)),
        failed=sum(final.state == "failed" for _, final in found),
        looks=sum(SCORE in final.facts and "reused" not in final.facts for final in history.finals),
    )
