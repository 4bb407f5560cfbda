"""Hyperband's brackets: which trial goes on, and for how long. Its arithmetic is keras-tuner's HyperbandOracle's.

Its bookkeeping is not. There a trial that failed counts as one that may still win: with a third of a rung failed,
which a wide range of learning rates does easily, keras-tuner 1.4.8 lets none of the others go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from experiments.search.records import Rung, Trial


@dataclass(frozen=True)
class Brackets:
    """The sizes and lengths of all rungs. Brackets begin with many short trials, one after another with fewer, longer.

    Attributes:
        max_epochs: of the trials that get furthest.
        factor: one trial in so many goes on, for so many times as long.
    """

    max_epochs: int
    factor: int

    @property
    def number(self) -> int:
        """How many different brackets there are; then they come round again."""
        return math.floor(_log(self.max_epochs, self.factor)) + 1

    def top(self, bracket: int) -> int:
        """The highest level of a bracket, the first bracket being 0."""
        return self.number - 1 - bracket % self.number

    def size(self, bracket: int, level: int) -> int:
        """How many trials a rung has."""
        top = self.top(bracket)
        last = math.ceil(1 + _log(self.max_epochs, self.factor)) / (top + 1)
        return math.ceil(last * self.factor ** (top - level))

    def epochs(self, bracket: int, level: int) -> int:
        """How many epochs the trials of a rung have behind them at their end."""
        return -(-self.max_epochs // self.factor ** (self.top(bracket) - level))

    @property
    def trials(self) -> int:
        """How many trials all brackets have together."""
        return sum(self.size(b, level) for b in range(self.number) for level in range(self.top(b) + 1))


class Rungs:
    """The trials of a sweep on their rungs."""

    def __init__(self, brackets: Brackets, trials: Sequence[Trial], better: Callable[[Trial], float]) -> None:
        self._brackets, self._better = brackets, better
        self._rungs: dict[tuple[int, int], list[Trial]] = {}
        self._continued: set[int | None] = set()
        for trial in trials:
            assert trial.rung is not None
            self._rungs.setdefault((trial.rung.bracket, trial.rung.level), []).append(trial)
            self._continued.add(trial.rung.from_trial)

    @property
    def begun(self) -> int:
        """How many brackets have begun."""
        return 1 + max((bracket for bracket, _ in self._rungs), default=-1)

    def has_room(self, bracket: int) -> bool:
        """Whether a bracket takes new points."""
        return len(self._on(bracket, 0)) < self._brackets.size(bracket, 0)

    def first(self, bracket: int) -> Rung:
        """The place of a new point."""
        return Rung(bracket, 0, None, 0, self._brackets.epochs(bracket, 0))

    def promotion(self, bracket: int, full: bool) -> tuple[Trial, Rung] | None:
        """The trial of a bracket that goes on next, and to where; None if none can now.

        Args:
            bracket: from 0.
            full: whether there are no new points for its first rung.
        """
        for level in range(1, self._brackets.top(bracket) + 1):
            size, below = self._brackets.size(bracket, level), self._brackets.size(bracket, level - 1)
            waiting = self._waiting(bracket, level - 1)
            if len(self._on(bracket, level)) >= size or not waiting:
                continue
            failed = sum(trial.state == "failed" for trial in self._on(bracket, level - 1))
            if len(waiting) + failed > below - size or self._is_settled(bracket, level - 1, full):
                best = max(waiting, key=lambda trial: (self._better(trial), -trial.number))
                behind, epochs = (self._brackets.epochs(bracket, at) for at in (level - 1, level))
                return best, Rung(bracket, level, best.number, behind, epochs)
        return None

    def _is_settled(self, bracket: int, level: int, full: bool) -> bool:
        """Whether no trial of a rung is still to come or to end."""
        if not all(trial.has_ended for trial in self._on(bracket, level)):
            return False
        if len(self._on(bracket, level)) >= self._brackets.size(bracket, level):
            return True
        return (
            full if level == 0 else not self._waiting(bracket, level - 1) and self._is_settled(bracket, level - 1, full)
        )

    def _waiting(self, bracket: int, level: int) -> list[Trial]:
        """Trials that have a score and have not gone on."""
        trials: Iterable[Trial] = self._on(bracket, level)
        return [trial for trial in trials if trial.state == "finished" and trial.number not in self._continued]

    def _on(self, bracket: int, level: int) -> list[Trial]:
        return self._rungs.get((bracket, level), [])


def _log(number: int, base: int) -> float:
    return round(math.log(number, base), 9)  # math.log(243, 3) is a little less than 5
