"""The tuners by their names, and which spaces they can search."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from cifar.config import SCHEDULES, ConfigError
from experiments.search.config import BayesianConfig, GridConfig, HyperbandConfig, PruningConfig, TunerConfig
from experiments.search.halving import Brackets
from experiments.search.plan import Plan
from experiments.search.space import Space
from experiments.search.tuner import BalancedTuner, BayesianTuner, GridTuner, HyperbandTuner, RandomTuner, Tuner

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


def trials_to_make(asked: int | None, config: TunerConfig, space: Space) -> int:
    """How many trials a sweep has: as many as were asked for, else as many as its tuner makes of itself.

    Raises:
        ConfigError: so few that Hyperband would choose among none.
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
    return asked or TRIALS


def _balanced(space: Space, seed: int, build: Callable[[Space, int], Tuner]) -> Tuner:
    return BalancedTuner(space, seed, build) if space.compared is not None else build(space, seed)
