"""A setting is trained in a folder of its own, for a command that found it in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.execution import Place, execute
from experiments.folders import new_folder, write_config
from experiments.record import as_yaml
from experiments.results.leaderboard import FinishedRun
from experiments.schema import Settings

if TYPE_CHECKING:
    from cifar.data import Dataset


def train_anew(
    settings: Settings, console: Console, tags: Mapping[str, str], dataset: Dataset | None = None
) -> FinishedRun:
    """Train and record a run, as `python -m experiments.run` would, but from settings that are composed already.

    Args:
        settings: what to train and where to record it.
        console: where to show it.
        tags: what else is to be said of the run.
        dataset: the images, where they were loaded already.

    Raises:
        See `execute`.
    """
    folder, text = new_folder("outputs"), as_yaml(settings)
    write_config(folder, text)
    return execute(settings, text, Place(folder, console), tags=tags, dataset=dataset)
