"""Whose fault a failure was: of the trial, whose settings do not train, or of something that all trials would meet."""

from __future__ import annotations

import re

OWN_FAULTS = ("TrainingDivergedError", "NoScoreError")
"""Errors that say something of a trial's settings, and nothing of those to come."""

_OWN = re.compile(r"\S*[\d/\\]\S*")
"""A word with a number or a path in it, which differs from trial to trial."""


class NoScoreError(ArithmeticError):
    """A trial came to its end with a score that is no finite number."""


def common_reason(reason: str) -> str | None:
    """What two failures for the same reason have in common; None if it is the trial's own fault.

    Args:
        reason: as a ledger has it, the exception's class and its message.
    """
    if reason.partition(":")[0] in OWN_FAULTS:
        return None
    return _OWN.sub("#", reason)
