"""A sweep that is only told about: its trials, what they cost, and how long that takes on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from experiments.display import say
from experiments.search.conduct import threads_of
from experiments.search.forecast import crew_of, forecast, in_words
from experiments.search.plan import read_tree
from experiments.search.preview import Foreseen, foresee
from experiments.search.speeds import time_networks
from experiments.search.timing import TimingError
from experiments.speed import busy
from experiments.sweepline import SweepLine

MOST_ROWS = 60


def tell(line: SweepLine, console: Console) -> None:
    """Print what a sweep of this command line would do; nothing is written, and no images are looked for."""
    limits = line.limits()
    foreseen = foresee(line.tuner, line.plan, line.settings.objective, line.settings.seed, limits.max_trials)
    _tell_trials(line, foreseen, console)
    others = busy()
    try:
        say(console, _time_needed(line, foreseen, console))
    except TimingError as error:
        say(console, f"how long it takes could not be found out here: {error}")
    if others:
        say(console, others)


def _tell_trials(line: SweepLine, foreseen: Sequence[Foreseen], console: Console) -> None:
    table = Table("trial", "settings", "epochs", box=None)
    for trial in foreseen[:MOST_ROWS]:
        table.add_row(str(trial.number), trial.settings, str(trial.epochs))
    console.print(table)
    if len(foreseen) > MOST_ROWS:
        console.print(f"... and {len(foreseen) - MOST_ROWS} more")
    epochs, images = (sum(values) for values in zip(*((trial.epochs, trial.images) for trial in foreseen), strict=True))
    console.print(
        f"space={line.plan.space.name} tuner={line.tuner.name}: {len(foreseen)} trials, {epochs:,} epochs, "
        f"{images:,} training images in all; judged by {line.settings.objective}"
    )


def _time_needed(line: SweepLine, foreseen: Sequence[Foreseen], console: Console) -> str:
    """How long the sweep takes, in a line; some networks are timed for it."""
    limits, default = line.limits(), read_tree(line.plan.default)
    compute = default.compute
    crew = crew_of(line.workers, compute.device, len(foreseen))
    compute = replace(compute, threads=compute.threads or threads_of(line.workers, compute.device))
    runs = [trial.run for trial in foreseen] + [default] * (limits.final_seeds > 0)
    with _status(console) as doing:
        speeds = time_networks(runs, crew.processes, compute, doing)
    return in_words(forecast(foreseen, default, limits, speeds.of, crew.workers), crew, limits)


@contextmanager
def _status(console: Console) -> Iterator[Callable[[str], None]]:
    """A line that says what is done at the moment, on a terminal."""
    if not console.is_terminal:
        yield lambda doing: None
        return
    with console.status("starting the processes that time it") as status:
        yield status.update
