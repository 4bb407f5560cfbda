"""Search a space of settings: python -m experiments.sweep space=optimizers."""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import sys
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from experiments import dryrun
from experiments.display import heard_or_not, say
from experiments.ending import MENDABLE, tell_error
from experiments.folders import new_folder
from experiments.frame import answer
from experiments.resuming import take_out
from experiments.search.cluster import ensure_answers
from experiments.search.conduct import Means, code_facts, conduct, tell, threads_of
from experiments.search.ledger import Ledger, open_ledger, read_ledger
from experiments.search.named import folder_of
from experiments.search.records import SweepError
from experiments.sweepline import read_line, read_resumed, typed_value
from experiments.tracking.config import TrackingConfig
from experiments.tracking.service import TrackingError
from experiments.tracking.signals import Terminated, code_of, name_of

HELP = """\
Searches a space of settings for the best validation accuracy. In the end the winner and the default are trained again
on other seeds (sweep.final_seeds) and scored on the test images: how much better is it?

  python -m experiments.sweep [space=...] [tuner=...] [pruning=...] [sweep.key=value ...] [what all runs have in common]

Examples
  python -m experiments.sweep space=optimizers sweep.dry_run=true      only tell the trials and how long they take here
  python -m experiments.sweep space=depth tuner=bayesian sweep.max_trials=30
  python -m experiments.sweep space=epochs tuner=hyperband tuner.max_epochs=27 data.train_size=10000
  python -m experiments.sweep resume=SWEEP                             go on after a crash or Ctrl-C
  python -m experiments.sweep resume=SWEEP sweep.max_trials=60         go on further

space     what is searched: the files of conf/space/
tuner     how: random, grid, bayesian, hyperband (conf/tuner/)
pruning   which trials stop early: none, median, halving (conf/pruning/)
workers   who trains: local, cluster; workers.address=tcp://... (conf/workers/)
sweep.    objective, seed, max_trials, max_minutes, max_retries, final_seeds, reuse, dry_run (conf/sweep.yaml)

SWEEP is a sweep's folder, the id, the beginning of it, or the name of its run in MLflow, or latest.
Everything else is for the runs, as in python -m experiments.run --help.
--config-dir=FOLDER adds a folder of your own to conf/.
"""


def main(argv: list[str]) -> int:
    """Run a command line.

    Returns:
        The exit code: 0 done, 1 every trial failed, 2 the command line or the machine is for the user to mend,
        130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
    """
    return answer(argv, HELP, _sweep)


def _sweep(argv: list[str]) -> int:
    console = Console(soft_wrap=True)
    argv, named = take_out(argv)
    try:
        return _resume(named, argv, console) if named is not None else _begin(argv, console)
    except SweepError as error:
        tell_error(error)
        return MENDABLE


def _begin(argv: list[str], console: Console) -> int:
    line = read_line(argv)
    if line.settings.dry_run:
        dryrun.tell(line, console)
        return 0
    ensure_answers(line.workers)
    limits, device = line.limits(), line.plan.bases[0].tree["compute"]["device"]
    name = line.tracking.run_name or f"sweep-{line.plan.space.name}"
    folder = new_folder("sweeps")
    Means(line.workers, line.tracking).keep(folder)
    with open_ledger(folder) as ledger:
        ledger.begin(line.sweep(name, code_facts(), threads_of(line.workers, device)), limits)
        return _work(ledger, Means(line.workers, line.tracking), console)


def _resume(named: str, argv: list[str], console: Console) -> int:
    folder = _named(named, argv)
    means = Means.of(folder)
    resumed = read_resumed(argv, read_ledger(folder).limits, means.workers, means.tracking)
    means = Means(resumed.workers, resumed.tracking)
    ensure_answers(means.workers)
    with open_ledger(folder) as ledger:
        ledger.extend(resumed.limits)
        means.keep(folder)
        return _work(ledger, means, console)


def _named(named: str, argv: list[str]) -> Path:
    """The folder of a sweep, by what a store that was typed knows of it, or else the usual one."""
    typed = typed_value(argv, "tracking.uri")
    if typed is not None:
        with suppress(SweepError, TrackingError):
            return folder_of(named, TrackingConfig(uri=typed))
    return folder_of(named, TrackingConfig())


@heard_or_not()
def _work(ledger: Ledger, means: Means, console: Console) -> int:
    say(console, f"sweep: {ledger.folder}")
    try:
        reason = conduct(ledger, means, console)
    except (KeyboardInterrupt, Terminated) as stop:
        say(console, f"stopped by {name_of(stop)}; to go on: python -m experiments.sweep resume={ledger.folder}")
        return code_of(stop)
    tell(ledger.history, ledger.folder, reason, console)
    ended = ledger.history.ended
    return 1 if ended and all(trial.state == "failed" for trial in ended) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
