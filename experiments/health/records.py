"""Whether what was recorded is whole: the store, runs whose process is gone, files, journals."""

from __future__ import annotations

import shlex
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from experiments.health.findings import Finding, Tell, note, ok, plural, problem, some, warning
from experiments.search.named import sweep_of
from experiments.tracking import census
from experiments.tracking.census import Census, Journaled, Journals
from experiments.tracking.closing import OpenRun, close, open_runs
from experiments.tracking.completion import Completion
from experiments.tracking.database import shown
from experiments.tracking.lookup import identity_of
from experiments.tracking.model import NAME
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, import_mlflow
from experiments.tracking.staging import ARTIFACTS
from experiments.tracking.store import database_path, is_local, kept_address
from experiments.tracking.wholeness import broken_files

LOOK_SECONDS = 20.0
"""So long files of finished runs are looked at, the newest first."""

CHECKED_DATABASE = 200_000_000
"""Bytes; reading all of a larger database takes too long."""


@dataclass
class Records:
    """The store at an address and the journals below some folders, each read once, when a check first asks.

    Attributes:
        census: what is in the store; None where there is none, or it cannot be read.
    """

    uri: str
    folders: Sequence[Path]
    census: Census | None = None
    journals: Journals | None = None

    def store(self, tell: Tell) -> Iterator[Finding]:
        """Whether the store can be read, by this MLflow."""
        self.journals = Journals.below(self.folders)
        try:
            self.census = census.take(self.uri, lambda runs: tell(f"{runs:,} runs"))
        except TrackingError as error:
            yield problem(str(error), "Until then its runs are not looked at")
            return
        if self.census is None:
            yield note(f"{redact(self.uri)}: is not there yet; the first run makes it")
            return
        count = plural(len(self.census.runs), "run")
        where = plural(len(self.census.experiments), "MLflow experiment")
        yield ok(f"{redact(self.uri)}: {count} in {where}, read by MLflow {import_mlflow().__version__}")
        if is_local(self.uri):
            yield from _damage(database_path(self.uri))

    def runs(self, tell: Tell) -> Iterator[Finding]:
        """Runs that the store takes for going on though nothing writes them, and those that it has only a part of."""
        if self.census is None or self.journals is None:
            return
        dead: set[str] = set()
        going = open_runs(self.census, self.journals)
        for run in going:
            if run.verdict.alive is False:
                dead |= {item.source.identity for item in run.journaled}
                yield _dead(self.census, run)
        yield from _unknown([run for run in going if run.verdict.alive is None])
        alive = [f"{run}: {run.verdict.why}" for run in going if run.verdict.alive]
        if alive:
            yield ok(f"{plural(len(alive), 'run')} at work. {some(alive, 5)}")
        incomplete = self.census.incomplete(self.journals, kept_address(self.uri))
        yield from _incomplete(self.census, [item for item in incomplete if item.source.identity not in dead])
        if not dead and not alive:
            yield ok("no run is at work, and none is left RUNNING")

    def files(self, tell: Tell) -> Iterator[Finding]:
        """Whether finished runs have their artifacts and networks."""
        if self.census is None or self.journals is None:
            return
        behind = {item.source.identity for item in self.census.incomplete(self.journals, kept_address(self.uri))}
        finished = [run for run in self.census.runs if run.info.status == "FINISHED" and identity_of(run) not in behind]
        ends, looked, broken = time.monotonic() + LOOK_SECONDS, 0, 0
        for run in finished:
            if time.monotonic() > ends:
                break
            looked += 1
            tell(f"run {looked:,} of {len(finished):,}")
            journaled = self.journals.of(run)
            try:
                lines = broken_files(self.census, run, journaled)
            except TrackingError as error:
                lines = [str(error)]
            if lines:
                broken += 1
                yield problem(
                    f"{run.info.run_name} (run {run.info.run_id}): {some(lines)}",
                    "Restore them from a copy" + _copies(journaled) + ", or train it again",
                )
        if looked < len(finished):
            yield note(
                f"only the {looked:,} newest of {len(finished):,} finished runs were looked at, for lack of time"
            )
        if looked and not broken:
            yield ok(f"the files of {plural(looked, 'finished run')} are there")

    def written(self, tell: Tell) -> Iterator[Finding]:
        """Whether the journals can be read."""
        if self.journals is None:
            return
        for line in self.journals.damaged:
            yield problem(line)
        others = [item for items in self.journals.readable.values() for item in items]
        if others:
            yield ok(f"{plural(len(others), 'journal')} can be read")
        elif not self.journals.damaged:
            yield note(f"no runs below {' and '.join(map(str, self.folders))} yet")


def _damage(path: Path) -> Iterator[Finding]:
    if path.stat().st_size > CHECKED_DATABASE:
        return
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        yield problem(
            f"{path.name}: is damaged inside ({' '.join(answer.split())})",
            f"Restore a copy, or save what can be read: sqlite3 {path.name} .recover | sqlite3 saved.db",
        )


def _dead(found: Census, run: OpenRun) -> Finding:
    advice = "--fix closes it as KILLED" if not run.journaled else "--fix completes and closes it from its journal"
    if folder := run.folder():
        sweep = sweep_of(folder)
        command, place = ("sweep", shown(sweep)) if sweep else ("run", str(folder))
        advice += f"; to go on with it: python -m experiments.{command} resume={shlex.quote(place)}"
    return problem(f"{run} is RUNNING in the store, but {run.verdict.why}", advice, partial(close, found.store, run))


def _unknown(runs: list[OpenRun]) -> Iterator[Finding]:
    if runs:
        names = some([str(run) for run in runs])
        yield warning(
            f"{plural(len(runs), 'run')} RUNNING of which {runs[0].verdict.why}, and left alone: {names}",
            "If you know that it is over: python -c \"import mlflow; mlflow.MlflowClient('ADDRESS').set_terminated("
            "'RUN_ID', 'KILLED')\"",
        )


def _incomplete(found: Census, journaled: list[Journaled]) -> Iterator[Finding]:
    if journaled:

        def complete() -> str:
            summary = Completion(found.store.uri).bring_all([item.source for item in journaled], lambda source: None)
            if summary.problems:
                raise TrackingError("; ".join(summary.problems))
            return f"{plural(summary.complete, 'run')} complete"

        names = some([f"{item.source.name} in {item.path.parent}" for item in journaled])
        yield problem(
            f"the store lacks a part of {plural(len(journaled), 'run')}: {names}",
            "python -m experiments.sync brings it, and so does --fix",
            complete,
        )


def _copies(journaled: Sequence[Journaled]) -> str:
    """Where a run's own copies of its files are, if they were not deleted."""
    places = [item.path.with_name(name) for item in journaled for name in (ARTIFACTS, NAME)]
    kept = [str(place) for place in places if place.is_dir()]
    return f", such as {some(kept)}" if kept else ""
