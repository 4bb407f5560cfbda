"""The tuners by their names, and which spaces they can search."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain, islice

from cifar.config import SCHEDULES
from cifar.fields import ConfigError
from experiments.search.config import BayesianConfig, GridConfig, HyperbandConfig, PruningConfig, TunerConfig
from experiments.search.halving import Brackets
from experiments.search.plan import Plan
from experiments.search.space import Space
from experiments.search.tuner import (
    BalancedTuner,
    BayesianTuner,
    GridTuner,
    HyperbandTuner,
    RandomTuner,
    Tuner,
    initial_points,
)

TRIALS = 20
"""Of a tuner that would go on for ever."""

MOST_TRIALS = 100_000
MOST_ON_A_GRID = 1000


def build_tuner(config: TunerConfig, space: Space, objective: str, seed: int) -> Tuner:
    """The tuner of a sweep. Where options are compared, each of them gets the same number of points."""
    match config:
        case GridConfig(points_per_range=points):
            return _balanced(space, seed, lambda part, own: GridTuner(part, points))
        case BayesianConfig(initial_points=initial):
            return _balanced(space, seed, lambda part, own: BayesianTuner(part, own, objective, initial))
        case HyperbandConfig(max_epochs=max_epochs, factor=factor):
            return HyperbandTuner(_balanced(space, seed, RandomTuner), Brackets(max_epochs, factor), objective)
    return _balanced(space, seed, RandomTuner)


def check_tuner(config: TunerConfig, pruning: PruningConfig, plan: Plan) -> None:
    """Whether the tuner can search a space.

    Raises:
        ConfigError: it cannot; says what to change.
    """
    for parameter in plan.space.parameters:
        if isinstance(config, GridConfig) and len(parameter.domain.spread(config.points_per_range)) > MOST_ON_A_GRID:
            raise ConfigError(f"space.search.{parameter.key}", "...", f"at most {MOST_ON_A_GRID} values on a grid")
    if not isinstance(config, HyperbandConfig):
        return
    keys = {parameter.key for parameter in plan.space.parameters}
    for key in ("training.epochs", "epochs"):
        if key in keys:
            raise ConfigError(
                "tuner", config.name, f"another tuner, since space={plan.space.name} searches {key} itself"
            )
    if pruning.rule != "none":
        raise ConfigError("pruning", pruning.rule, "none, since tuner=hyperband stops trials by itself")
    for base in plan.bases:
        name = base.tree["schedule"]["name"]
        if SCHEDULES[name].spans_training:
            raise ConfigError(
                "schedule",
                name,
                "one whose rate does not depend on training.epochs",
                "tuner=hyperband lets a training go on for longer than it was begun for",
            )
        shortest = Brackets(config.max_epochs, config.factor).epochs(0, 0)
        searched = (item.domain.ends for item in plan.space.parameters if item.key == "schedule.warmup_epochs")
        warmup = max([base.tree["schedule"]["warmup_epochs"], *chain.from_iterable(searched)])
        if warmup > shortest:
            raise ConfigError(
                "schedule.warmup_epochs",
                warmup,
                f"at most {shortest}, the epochs of the shortest trials of tuner=hyperband",
            )


def trials_to_make(asked: int | None, config: TunerConfig, space: Space) -> int:
    """How many trials a sweep has: as many as were asked for, else as many as its tuner makes of itself.

    Raises:
        ConfigError: so few that Hyperband would choose among none, or that all are drawn before Bayesian begins.
    """
    match config:
        case GridConfig(points_per_range=points):
            all_points = islice(space.points(lambda item: item.domain.spread(points)), asked or MOST_TRIALS)
            return sum(1 for _ in all_points)
        case HyperbandConfig(max_epochs=max_epochs, factor=factor):
            brackets = Brackets(max_epochs, factor)
            first = brackets.size(0, 0)
            if asked is not None and asked <= first:
                raise ConfigError(
                    "sweep.max_trials",
                    asked,
                    f"more than {first}, since tuner=hyperband begins with {first} short trials",
                    "A smaller tuner.max_epochs begins with fewer",
                )
            return asked or brackets.trials
        case BayesianConfig(initial_points=initial):
            _refuse_mere_draws(asked or TRIALS, initial, space)
    return asked or TRIALS


def _refuse_mere_draws(trials: int, initial: int | None, space: Space) -> None:
    """A Gaussian process that never has a say is random search by another name."""
    parts = _parts(space)
    most = math.ceil(trials / len(parts))  # of one part
    drawn = [initial_points(initial, part) for part in parts]
    if most > min(drawn):
        return
    options = f" for each of the {len(parts)} options of {space.compared}" if len(parts) > 1 else ""
    fewer = f"tuner.initial_points={max(1, most // 2)} draws fewer" if most > 1 else "Or choose tuner=random"
    raise ConfigError(
        "sweep.max_trials",
        trials,
        f"more than {len(parts) * min(drawn)}, since tuner=bayesian draws {min(drawn)} points at random first{options}",
        fewer,
    )


def _parts(space: Space) -> list[Space]:
    """What has a tuner of its own: each option that is compared, else the whole space."""
    if space.compared is None:
        return [space]
    return [space.narrowed(space.compared, value) for value in space.strata]


def _balanced(space: Space, seed: int, build: Callable[[Space, int], Tuner]) -> Tuner:
    return BalancedTuner(space, seed, build) if space.compared is not None else build(space, seed)
