"""The tuners by their names, and which spaces they can search."""

from __future__ import annotations

from collections.abc import Callable

from cifar.config import SCHEDULES, ConfigError
from experiments.search.config import BayesianConfig, GridConfig, HyperbandConfig, PruningConfig, TunerConfig
from experiments.search.halving import Brackets
from experiments.search.plan import Plan
from experiments.search.space import Space
from experiments.search.tuner import BalancedTuner, BayesianTuner, GridTuner, HyperbandTuner, RandomTuner, Tuner


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
        if isinstance(config, GridConfig) and len(parameter.domain.spread(config.points_per_range)) > _MOST_ON_A_GRID:
            raise ConfigError(f"space.search.{parameter.key}", "...", f"at most {_MOST_ON_A_GRID} values on a grid")
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


def size_of(config: TunerConfig, space: Space) -> int | None:
    """How many trials the tuner itself would stop after; None where it would not."""
    match config:
        case GridConfig(points_per_range=points):
            return sum(1 for _ in space.points(lambda item: item.domain.spread(points)))
        case HyperbandConfig(max_epochs=max_epochs, factor=factor):
            return Brackets(max_epochs, factor).trials
    return None


_MOST_ON_A_GRID = 1000


def _balanced(space: Space, seed: int, build: Callable[[Space, int], Tuner]) -> Tuner:
    return BalancedTuner(space, seed, build) if space.compared is not None else build(space, seed)
