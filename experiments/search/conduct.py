"""A sweep from its ledger to its record: workers, MLflow runs, what a person sees."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from cifar.fields import ConfigError
from experiments.display import say
from experiments.results.tables import as_table
from experiments.search.board import best_trial, standings
from experiments.search.cluster import open_workers
from experiments.search.config import WorkersConfig, read_node
from experiments.search.driver import drive
from experiments.search.finals import verdict
from experiments.search.history import History
from experiments.search.ledger import Ledger
from experiments.search.machine import count_workers, gpus
from experiments.search.parent import SweepRecord, open_parent
from experiments.search.plan import read_tree
from experiments.search.preset import BEST_FILE
from experiments.search.progress import SweepProgress, score_text
from experiments.search.records import Sweep, SweepError
from experiments.search.site import Site
from experiments.search.trial import run_trial
from experiments.search.tuner import ALL_TRIED
from experiments.search.verdict import in_words
from experiments.tracking.config import TrackingConfig
from experiments.tracking.provenance import describe_environment
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import kept_address

MEANS_FILE = "means.json"


@dataclass(frozen=True)
class Means:
    """With what a sweep is worked on; it may change when the sweep is resumed.

    Attributes:
        workers: who trains.
        tracking: where it is recorded.
    """

    workers: WorkersConfig
    tracking: TrackingConfig

    def keep(self, folder: Path) -> None:
        """Write it down in the sweep's folder, without passwords."""
        uri = self.tracking.uri
        tracking = replace(self.tracking, uri=None if uri is None else kept_address(uri))
        text = json.dumps({"workers": asdict(self.workers), "tracking": asdict(tracking)}, indent=2)
        unfinished = folder / f"{MEANS_FILE}.part"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(folder / MEANS_FILE)

    @classmethod
    def of(cls, folder: Path) -> Means:
        """What the sweep in this folder was worked on with.

        Raises:
            SweepError: that is not there, or damaged.
        """
        path = folder / MEANS_FILE
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return cls(read_node(WorkersConfig, told["workers"]), read_node(TrackingConfig, told["tracking"]))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ConfigError) as error:
            raise SweepError(f"{path}: cannot be read ({error}); restore it from a copy") from None


def threads_of(workers: WorkersConfig, device: str) -> int | None:
    """How many threads each trial has where none were typed: one on a core of its own, as many as there are alone."""
    shared = workers.address is None and not gpus(device) and count_workers(workers, device) > 1
    return 1 if shared else None


def conduct(ledger: Ledger, means: Means, console: Console) -> str:
    """Work on a sweep whose ledger is open until one of its limits is reached, and record all of it.

    Returns:
        Why it stopped, in words.

    Raises:
        ConfigError: the workers, or a GPU, are not there.
        SweepError: the images cannot be had, and nothing was recorded; or see `drive`.
        TrackingError: the store cannot be used.
        KeyboardInterrupt, Terminated: it was told to stop; its workers are gone.
    """
    sweep = ledger.history.sweep
    assert sweep is not None
    folder = ledger.folder.absolute()
    tracking = _from_here(means.tracking)
    _fetch_images(sweep, console)
    with open_parent(sweep, folder, tracking, partial(say, console)) as recorder:
        record = SweepRecord(recorder, folder, tracking.note)
        if not ledger.history.ended_order:
            record.begin(sweep)
        run = partial(run_trial, site=_site(sweep, folder, tracking, recorder))
        device = sweep.bases[0]["config"]["compute"]["device"]
        with (
            _finished(recorder, record, ledger),
            SweepProgress(console) as progress,
            open_workers(means.workers, run, folder, device) as workers,
        ):
            progress.workers = lambda: workers.capacity
            ledger.observers += [progress.look, record.look]
            return drive(ledger, workers)


def _fetch_images(sweep: Sweep, console: Console) -> None:
    """Have the images in the cache before the workers ask for them: one look at them, and one download."""
    from cifar.data import DataError, load_dataset

    try:
        with console.status("looking for the images") if console.is_terminal else nullcontext():
            load_dataset(read_tree(dict(sweep.bases[0]["config"])).data)
    except DataError as error:
        raise SweepError(str(error)) from None


def code_facts() -> dict[str, str]:
    """The commit and the versions of libraries that a sweep begins with."""
    kept = ("mlflow.source.git.commit", "git.", "version.", "python")
    return {key: value for key, value in describe_environment().items() if key.startswith(kept)}


def tell(history: History, folder: Path, reason: str, console: Console) -> None:
    """Who did best, of how many, and what to do with it."""
    assert history.sweep is not None
    if history.ended_order:
        console.print(as_table(standings(history)))
    best = best_trial(history.trials, history.sweep.objective)
    if best is not None:
        say(
            console,
            f"best of {len(history.ended_order)} trials: trial {best.number}, {history.sweep.objective} "
            f"{score_text(history, best)} on the images that chose it\n"
            f"to run it: python -m experiments.run experiment={folder / BEST_FILE}",
        )
    if found := verdict(history):
        say(console, in_words(found))
    if reused := sum("reused" in trial.facts for trial in [*history.ended, *history.finals]):
        say(console, f"{reused} results were taken over from equal runs; sweep.reuse=false trains them again")
    say(console, f"stopped: {reason}{_further(history, folder, reason)}")


def _further(history: History, folder: Path, reason: str) -> str:
    """With which command the sweep goes on; nothing where its whole space was tried."""
    if reason.startswith(ALL_TRIED):
        return ""
    limit = "max_trials" if len(history.trials) >= history.limits.max_trials else "max_minutes"
    return f"; to go on: python -m experiments.sweep resume={folder} sweep.{limit}=..."


def _from_here(tracking: TrackingConfig) -> TrackingConfig:
    """The store by its address, since workers may have another environment; a password is in the environment only."""
    said = os.environ.get("MLFLOW_TRACKING_URI") or None
    if tracking.uri is None or (said is not None and kept_address(said) == tracking.uri):
        return replace(tracking, uri=said)
    return tracking


def _site(sweep: Sweep, folder: Path, tracking: TrackingConfig, recorder: Recorder) -> Site:
    return Site(
        sweep=folder,
        name=sweep.name,
        home=Path.cwd(),
        tracking=replace(tracking, parent_run_id=recorder.reference or None),
        command=tuple(sys.orig_argv),
        keep_checkpoints=sweep.tuner["name"] == "hyperband",
    )


@contextmanager
def _finished(recorder: Recorder, record: SweepRecord, ledger: Ledger) -> Iterator[None]:
    """In the end the leaderboard has all trials, and those cut off are KILLED in MLflow until they are gone on with."""
    show = record.show  # who stops a sweep does not wait for pictures
    try:
        yield
        show = record.finish
    finally:
        recorder.end_children()
        if ledger.history.ended_order:
            show(ledger.history)
