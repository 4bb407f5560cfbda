"""When a trial stops early: what the others reached after each epoch, and the reason in words.

A trial is given its bars when it starts and judges itself: no word has to travel while it trains, and a trial that is
run again after a crash stops where it would have stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from experiments.search.config import OBJECTIVES, PruningConfig
from experiments.search.records import Trial


@dataclass(frozen=True)
class Bar:
    """What a trial must have reached after an epoch, at any time up to it, to go on."""

    epoch: int
    value: float
    rule: str


@dataclass(frozen=True)
class Bars:
    """All bars of one trial; of an objective where more is better, or less."""

    objective: str
    bars: tuple[Bar, ...] = ()

    def verdict(self, curve: Sequence[float]) -> str | None:
        """Why a trial with this curve so far stops after its last epoch; None: it goes on."""
        sign = OBJECTIVES[self.objective]
        for bar in self.bars:
            if bar.epoch == len(curve):
                best = max(curve, key=lambda value: _gain(sign, value))
                if _gain(sign, best) < sign * bar.value:
                    return f"{self.objective} {best:.4f} after epoch {bar.epoch} is {bar.rule} ({bar.value:.4f})"
        return None


def set_bars(
    config: PruningConfig, objective: str, trials: Iterable[Trial], epochs: int, others: str = "others"
) -> Bars:
    """The bars for a new trial of so many epochs, from the trials that have ended without failing.

    There is none after its last epoch, when nothing is left to be saved. `others` is what those trials are called.
    """
    if config.rule == "none":
        return Bars(objective)
    sign = OBJECTIVES[objective]
    best_so_far = [
        list(accumulate((_gain(sign, value) for value in trial.curve), max))
        for trial in trials
        if trial.state in ("finished", "pruned")
    ]
    bars = []
    longest = max(map(len, best_so_far), default=0)
    for epoch in range(config.first_epoch, min(longest, epochs - 1) + 1):
        reached = sorted(curve[epoch - 1] for curve in best_so_far if len(curve) >= epoch)
        if len(reached) >= config.min_trials and _is_judged(config, epoch):
            rule = _in_words(config, sign, len(reached), others)
            bars.append(Bar(epoch, sign * _bar(config, reached), rule))
    return Bars(objective, tuple(bars))


def _gain(sign: int, value: float | None) -> float:
    """A value where more is better; what is no number is worst."""
    return sign * value if value is not None and not math.isnan(value) else -math.inf


def _is_judged(config: PruningConfig, epoch: int) -> bool:
    """The median rule judges after each epoch, halving after 1, `factor`, `factor` squared, ... times the first one."""
    if config.rule == "median":
        return True
    rung = config.first_epoch
    while rung < epoch:
        rung *= config.factor
    return rung == epoch


def _bar(config: PruningConfig, reached: list[float]) -> float:
    """The value to reach, more being better; `reached` in rising order."""
    return median(reached) if config.rule == "median" else reached[-max(1, len(reached) // config.factor)]


def _in_words(config: PruningConfig, sign: int, number: int, others: str) -> str:
    side = "below" if sign > 0 else "above"
    which = "the median" if config.rule == "median" else f"the best {max(1, number // config.factor)}"
    return f"{side} {which} of {number} {others}"
