"""What a person sees on stderr while data is being fetched."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0  # seconds without a sign of life that nobody minds


def say(line: str) -> None:
    """Print one line on stderr."""
    print(f"CIFAR-10: {line}", file=sys.stderr, flush=True)


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar with speed and time left, if stderr is a terminal and it takes longer than two seconds.

    Yields a function to call with the number of bytes that came in. `total` None, when nobody knows how many will,
    shows the time that has passed instead.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    known: list[ProgressColumn] = [DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    bar = Progress(
        TextColumn(title), BarColumn(), *(known if total else [TimeElapsedColumn()]), console=console, transient=True
    )
    task = bar.add_task(title, total=total)
    begin = time.monotonic()

    def advance(count: int) -> None:
        bar.advance(task, count)
        if console.is_terminal and not bar.live.is_started and time.monotonic() - begin > PATIENCE:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
