"""What makes two runs seeds of one setting: all that decides a result is the same, but for the seed."""

from __future__ import annotations

from collections.abc import Mapping

LEFT_OUT = ("compute.device", "compute.threads", "training.checkpoint_every", "data.path", "data.cache")
"""Settings that two equal runs may differ in: a processor and its threads round differently, and no more than that."""

LEFT_OUT_NODES = ("tracking", "sweep")
"""Where a run is recorded, and what its sweep was."""


def decisive(params: Mapping[str, str]) -> dict[str, str]:
    """The params that decide a result."""
    return {
        key: value
        for key, value in params.items()
        if key not in LEFT_OUT and key.partition(".")[0] not in LEFT_OUT_NODES
    }


def setting(params: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The same without the seed, to be compared with that of another run."""
    return frozenset((key, value) for key, value in decisive(params).items() if key != "seed")
