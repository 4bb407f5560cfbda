"""How far apart may two trainings be that ought to be the same but for rounding?

Rounding grows: relu and pooling flip, and RMSprop makes large steps of small gradients, so that a millionth in the
weights is a third of their way after twelve steps. So steps are compared one or two at a time, from the same state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MOST = {"losses": 1e-3, "weights": 0.05}
"""The largest relative difference of a loss, and the median `distance` of the weights, that are taken for rounding.

A hundred-thousandth in the weights makes up to 5e-5 and 0.02; a dropout rate of 0.26 for 0.25 makes 2e-3 and 0.2.
"""


class ParityError(RuntimeError):
    """Something else was computed, so that its times say nothing."""


def distance(before: Sequence[Any], expected: Sequence[Any], found: Sequence[Any]) -> float:
    """How far weights are from those expected, as a share of the way that those have come since before the step."""
    start, goal, end = (np.concatenate([np.ravel(array) for array in one]) for one in (before, expected, found))
    return float(np.linalg.norm(end - goal) / np.linalg.norm(goal - start))


def judge(who: str, apart: Mapping[str, float]) -> None:
    """Refuse what is further apart than `MOST`, or no number.

    Raises:
        ParityError: with who it was and how far.
    """
    for what, most in MOST.items():
        if not apart[what] <= most:
            raise ParityError(
                f"{who}: the {what} are {apart[what]:.2g} from those expected, at most {most:g} is rounding"
            )
