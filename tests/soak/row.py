"""One line of the soak's report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`what` was tried `tried` times; `lost` of them did not end as promised. None tried: it was left out."""

    what: str
    tried: int
    lost: int
    seconds: float
