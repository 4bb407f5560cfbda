"""keras-tuner's oracles, asked for one point at a time and given all they need to know: they keep nothing.

So nothing of theirs has to be saved, and nothing of it can be lost, cut off or out of step with the ledger.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from cifar.compute import UNUSED, without_native_greetings
from cifar.imports import first_import
from experiments.search.domains import Choices, Range, Value
from experiments.search.space import Parameter, Point, Space

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

UNSEEN = "0"  # the id of a trial that an oracle is asked for


def seed_of(*parts: object) -> int:
    """A seed for each thing that is drawn: 1 to 2**32 - 1, since keras-tuner takes 0 for none."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:4]) or 1


class Draws:
    """Points of a space at random: keras-tuner's RandomSearchOracle."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._hyperparameters = to_hyperparameters(space)

    def draw(self, seed: int) -> Point:
        """The point that a seed draws."""
        from keras_tuner.oracles import RandomSearchOracle

        oracle = RandomSearchOracle(hyperparameters=self._hyperparameters, seed=seed)
        return to_point(self._space, oracle.populate_space(UNSEEN)["values"])


class Gaussian:
    """Points where much is to be expected: keras-tuner's BayesianOptimizationOracle."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._hyperparameters = to_hyperparameters(space)

    def suggest(self, seed: int, past: Sequence[tuple[Point, float]]) -> Point:
        """The point that promises the lowest of scores, given those of others."""
        from keras_tuner import Objective
        from keras_tuner.engine.trial import Trial
        from keras_tuner.oracles import BayesianOptimizationOracle
        from threadpoolctl import threadpool_limits

        oracle = BayesianOptimizationOracle(
            Objective("score", "min"), num_initial_points=1, seed=seed, hyperparameters=self._hyperparameters
        )
        for number, (point, score) in enumerate(past):
            values = self._hyperparameters.copy()
            values.values = to_values(self._space, point)
            trial = Trial(values, trial_id=f"past {number}", status="COMPLETED")
            trial.score = score
            oracle.trials[trial.trial_id] = trial
        with _quiet(), threadpool_limits(1):  # the matrices are tiny: several threads are 4 to 7 times slower
            return to_point(self._space, oracle.populate_space(UNSEEN)["values"])


class Grid:
    """Every point of a space, the last parameter changing fastest: keras-tuner's GridSearchOracle."""

    def __init__(self, space: Space, points_per_range: int) -> None:
        hyperparameters = to_hyperparameters(space, points_per_range)
        from keras_tuner.oracles import GridSearchOracle

        class Unsaved(GridSearchOracle):
            """One that writes no files."""

            def save(self) -> None: ...

            def _save_trial(self, trial: Any) -> None: ...

        self._space = space
        self._oracle = Unsaved(
            hyperparameters=hyperparameters,
            max_consecutive_failed_trials=None,
            seed=1,
        )
        self._oracle.verbose = 0
        self._points_per_range = points_per_range
        self._points: list[Point] = []

    def point(self, index: int) -> Point | None:
        """The point of this number, from 0; None after the last."""
        while len(self._points) <= index:
            with _quiet():
                trial = self._oracle.create_trial(UNSEEN)
                if trial.status != "RUNNING":
                    return None
                # Only trials that have ended are gone on from, in case they find new keys; here all keys are known.
                trial.status = "FAILED"
                self._oracle.end_trial(trial)
            self._points.append(to_point(self._space, trial.hyperparameters.values, self._points_per_range))
        return self._points[index]


def to_hyperparameters(space: Space, points_per_range: int = 0) -> HyperParameters:
    """A space as keras-tuner has it; of ranges only so many points, if a number is given.

    Choices become their places in the list, and so do the values of steps: keras-tuner takes no null, no lists of
    mixed types, and misses the last of the steps from 0.1 to 0.5 by 0.1. Names are numbers, since it cannot tell two
    ranges of one name apart.
    """
    with first_import("keras_tuner", without=UNUSED), without_native_greetings():
        from keras_tuner import HyperParameters

    made = HyperParameters()
    for name, parameter in enumerate(space.parameters):
        with ExitStack() as stack:
            for key, values in parameter.when:
                parent, choices = _choices(space, key)
                places = [choices.index(value) for value in values if value in choices]
                stack.enter_context(made.conditional_scope(parent, places))
            _add(made, str(name), parameter, points_per_range)
    return made


def to_point(space: Space, values: Mapping[str, Any], points_per_range: int = 0) -> Point:
    """What keras-tuner chose, in our words, within its range whatever rounding did."""

    def chosen(parameter: Parameter) -> Value:
        value = values[str(space.parameters.index(parameter))]
        listed = _listed(parameter, points_per_range)
        if listed is not None:
            return listed[value]
        assert isinstance(parameter.domain, Range)
        return parameter.domain.keep(value)

    return space.point(chosen)


def to_values(space: Space, point: Mapping[str, Value]) -> dict[str, Any]:
    """A point in keras-tuner's words."""
    values: dict[str, Any] = {}
    for name, parameter in enumerate(space.parameters):
        if parameter.is_active(point):
            listed, value = _listed(parameter, 0), point[parameter.key]
            values[str(name)] = value if listed is None else listed.index(value)
    return values


def _listed(parameter: Parameter, points_per_range: int) -> tuple[Value, ...] | None:
    """The values of which keras-tuner sees the places only."""
    domain = parameter.domain
    if points_per_range:
        return domain.spread(points_per_range)
    return domain.values if isinstance(domain, Choices) else domain.listed if domain.step is not None else None


def _choices(space: Space, key: str) -> tuple[str, tuple[Value, ...]]:
    """The name and the values of the one parameter that a condition names."""
    for name, item in enumerate(space.parameters):
        if item.key == key and isinstance(item.domain, Choices):
            return str(name), item.domain.values
    raise KeyError(key)


def _add(made: HyperParameters, name: str, parameter: Parameter, points_per_range: int) -> None:
    listed, domain = _listed(parameter, points_per_range), parameter.domain
    if listed is not None:
        if len(listed) == 1:
            made.Fixed(name, 0)
        else:
            made.Choice(name, list(range(len(listed))))
        return
    assert isinstance(domain, Range)
    kind = made.Int if domain.whole else made.Float
    kind(name, domain.low, domain.high, sampling="log" if domain.log else "linear")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what keras-tuner (a deprecated call) and scikit-learn (a fit that could be better) warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
