"""What to try next: a function of the seed and of what was tried, so that there is nothing to lose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Protocol

from experiments.search.config import OBJECTIVES
from experiments.search.domains import Value
from experiments.search.halving import Brackets, Rungs
from experiments.search.oracles import Draws, Gaussian, Grid, seed_of
from experiments.search.records import Rung, Trial
from experiments.search.space import Point, Space

TRIES = 20
"""So many draws of points that were there before; then what is left of a space is looked through."""

MOST_LISTED = 10_000

ALL_TRIED = "every point of"
"""How the reason begins why nothing is left of a space."""


@dataclass(frozen=True)
class Proposal:
    """What to try; `rung` tells how long, and from which trial on, where the tuner decides that."""

    point: Point
    rung: Rung | None = None


class NothingLeftError(Exception):
    """The tuner has nothing to propose, now or later; says why."""


class Tuner(Protocol):
    """Chooses points."""

    def propose(self, trials: Sequence[Trial]) -> Proposal | None:
        """The next point, given all trials in the order of their proposal.

        Returns:
            None: none before one of the unfinished trials has ended.

        Raises:
            NothingLeftError: there is none, and there will be none.
        """


class RandomTuner:
    """Draws points independently of each other, none twice."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed, self._draws = space, seed, Draws(space)

    def propose(self, trials: Sequence[Trial]) -> Proposal:
        """A point that none of the trials has."""
        tried = {_identity(trial.point) for trial in trials}
        for attempt in range(TRIES):
            point = self._draws.draw(seed_of(self._seed, len(trials), attempt))
            if _identity(point) not in tried:
                return Proposal(point)
        listed = self._space.points(lambda item: item.domain.listed or ())
        left = [point for point in islice(listed, MOST_LISTED) if _identity(point) not in tried]
        if not left:
            raise NothingLeftError(f"{ALL_TRIED} {self._space.name} was tried")
        return Proposal(Random(seed_of(self._seed, len(trials))).choice(left))


class GridTuner:
    """Goes through every combination."""

    def __init__(self, space: Space, points_per_range: int) -> None:
        self._space, self._grid = space, Grid(space, points_per_range)

    def propose(self, trials: Sequence[Trial]) -> Proposal:
        """The combination after those of the trials."""
        point = self._grid.point(len(trials))
        if point is None:
            raise NothingLeftError(f"{ALL_TRIED} the grid of {self._space.name} was tried")
        return Proposal(point)


class BayesianTuner:
    """Draws a few points, then goes where scores promise to be good or little is known.

    A trial that failed counts as bad as the worst that did not, so that its surroundings are avoided; so does, until
    it ends, one that runs, so that several workers do not all try the same.
    """

    def __init__(self, space: Space, seed: int, objective: str, initial: int | None = None) -> None:
        self._initial = initial_points(initial, space)
        self._seed, self._sign = seed, OBJECTIVES[objective]
        self._random, self._gaussian = RandomTuner(space, seed), Gaussian(space)

    def propose(self, trials: Sequence[Trial]) -> Proposal:
        """A point that none of the trials has."""
        scores = {trial.number: -self._sign * trial.score for trial in trials if trial.score is not None}
        if len(scores) < self._initial:
            return self._random.propose(trials)
        worst = max(scores.values())
        past = [(trial.point, scores.get(trial.number, worst)) for trial in trials]
        point = self._gaussian.suggest(seed_of(self._seed, len(trials)), past)
        if _identity(point) in {_identity(trial.point) for trial in trials}:
            return self._random.propose(trials)
        return Proposal(point)


class HyperbandTuner:
    """Starts many points for few epochs and lets the best of them go on (see `halving`)."""

    def __init__(self, draws: Tuner, brackets: Brackets, objective: str) -> None:
        self._draws, self._brackets, self._sign = draws, brackets, OBJECTIVES[objective]

    def propose(self, trials: Sequence[Trial]) -> Proposal | None:
        """A new point, or one of the trials' that goes on."""
        rungs = Rungs(self._brackets, trials, lambda trial: self._sign * (trial.score or 0.0))
        drawn: Proposal | None = None
        try:
            drawn = self._draws.propose([trial for trial in trials if trial.rung and trial.rung.level == 0])
        except NothingLeftError as error:
            nothing = error
        for bracket in range(rungs.begun):
            if drawn is not None and rungs.has_room(bracket):
                return Proposal(drawn.point, rungs.first(bracket))
            if promotion := rungs.promotion(bracket, full=drawn is None):
                return Proposal(promotion[0].point, promotion[1])
        if drawn is not None:
            return Proposal(drawn.point, rungs.first(rungs.begun))
        if all(trial.has_ended for trial in trials):
            raise nothing
        return None


class BalancedTuner:
    """One tuner for each option that is compared; they take turns, in an order that is drawn for each round."""

    def __init__(self, space: Space, seed: int, build: Callable[[Space, int], Tuner]) -> None:
        assert space.compared is not None
        self._key, self._seed = space.compared, seed
        self._tuners = {value: build(space.narrowed(self._key, value), seed_of(seed, value)) for value in space.strata}
        self._exhausted: dict[Value, NothingLeftError] = {}

    def propose(self, trials: Sequence[Trial]) -> Proposal | None:
        """A point of the option that has the fewest trials."""
        parts: dict[Value, list[Trial]] = {value: [] for value in self._tuners}
        for trial in trials:
            parts[trial.point[self._key]].append(trial)
        open_ones = [value for value in parts if value not in self._exhausted]
        for value in sorted(open_ones, key=lambda value: self._turn(value, len(parts[value]))):
            try:
                return self._tuners[value].propose(parts[value])
            except NothingLeftError as error:
                self._exhausted[value] = error
        raise next(iter(self._exhausted.values()))

    def _turn(self, value: Value, done: int) -> tuple[int, int]:
        return done, seed_of(self._seed, done, value)


def initial_points(asked: int | None, space: Space) -> int:
    """How many points are drawn before the Gaussian process begins; if not asked for, one a searched key, but three."""
    return asked or max(3, sum(len(item.domain.ends) > 1 for item in space.parameters))


def _identity(point: Point) -> frozenset[tuple[str, Value]]:
    return frozenset(point.items())
