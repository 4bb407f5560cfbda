"""A setting is trained in a folder of its own, for a command that found it in the store."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.display import heard_or_not
from experiments.execution import LOG_FILE, Place, execute
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
    with _logged(folder), heard_or_not():
        return execute(settings, text, Place(folder, console), tags=tags, dataset=dataset)


@contextmanager
def _logged(folder: Path) -> Iterator[None]:
    """What is logged goes to the run's folder alone, as Hydra sees to in `experiments.run`."""
    root = logging.getLogger()
    handler, level = logging.FileHandler(folder / LOG_FILE, encoding="utf-8"), root.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()
