"""Search a space of settings: python -m experiments.sweep space=optimizers sweep.dry_run=true."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from cifar.config import ConfigError
from experiments.search.preview import Foreseen, foresee
from experiments.sweepline import SweepLine, read_line

MOST_ROWS = 60

HELP = """\
Searches a space of settings for the best validation accuracy.

  python -m experiments.sweep [space=...] [tuner=...] [pruning=...] [sweep.key=value ...] [what all runs have in common]

Examples
  python -m experiments.sweep space=optimizers sweep.dry_run=true      which trials there would be
  python -m experiments.sweep space=depth tuner=bayesian sweep.max_trials=30
  python -m experiments.sweep space=epochs tuner=hyperband tuner.max_epochs=27 data.train_size=10000

space     what is searched: the files of conf/space/
tuner     how: random, grid, bayesian, hyperband (conf/tuner/)
pruning   which trials stop early: none, median, halving (conf/pruning/)
sweep.    objective, seed, max_trials, max_minutes, max_retries, dry_run (conf/sweep.yaml)

Everything else is for the runs, as in python -m experiments.run --help.
--config-dir=FOLDER adds a folder of your own to conf/.
"""


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 done, 2 the command line is wrong."""
    if {"--help", "-h"} & {*argv}:
        print(HELP, end="")
        return 0
    try:
        line = read_line(argv)
        number = line.limits().max_trials
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not line.settings.dry_run:
        print("error: sweep.dry_run=false: expected true; trials cannot be run yet", file=sys.stderr)
        return 2
    _tell(line, foresee(line.tuner, line.plan, line.settings.objective, line.settings.seed, number))
    return 0


def _tell(line: SweepLine, foreseen: Sequence[Foreseen]) -> None:
    console = Console(soft_wrap=True)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
