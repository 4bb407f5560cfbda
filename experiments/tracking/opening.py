"""How the journal of a run begins, or goes on: what is recorded already is not recorded again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.tracking.facts import REFERENCE, Measurement, RunFacts, facts_of
from experiments.tracking.journal import JOURNAL_FILE, Entry, Journal, read_journal
from experiments.tracking.model import NAME
from experiments.tracking.reading import effective
from experiments.tracking.service import TrackingError
from experiments.tracking.staging import ARTIFACTS, CHECKPOINTS

EARLIER = "earlier"
"""The folder, in a run's, of what an earlier run in it left."""

SYSTEM = "system/"


@dataclass
class Recorded:
    """What a run has already. Of a new run only its params are remembered: nothing else can come twice.

    Attributes:
        steps: the name and step of each measurement before the run was taken up again.
        samples: how many samples of the machine there were.
        models: the step of each network.
    """

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    steps: set[tuple[str, int]] = field(default_factory=set)
    samples: int = 0
    models: set[int] = field(default_factory=set)

    def changed(self, params: Mapping[str, str]) -> list[str]:
        """The names of those that ended with another value before; a param cannot be changed."""
        known = effective(self.params, self.tags)
        return [name for name in sorted(params) if name in self.params and known[name] != params[name]]

    @classmethod
    def of(cls, facts: RunFacts) -> Recorded:
        """What these facts tell."""
        return cls(
            params=dict(facts.params),
            tags=dict(facts.tags),
            steps={(metric.name, metric.step) for metric in facts.metrics},
            samples=max((item.step + 1 for item in facts.metrics if item.name.startswith(SYSTEM)), default=0),
            models={model.step for model in facts.models},
        )

    def new(self, metrics: Iterable[Measurement]) -> list[Measurement]:
        """Those whose step is not there yet."""
        return [metric for metric in metrics if (metric.name, metric.step) not in self.steps]


@dataclass(frozen=True)
class Opened:
    """A journal that can be written, its entries so far, and what they tell."""

    journal: Journal
    identity: str
    name: str
    entries: list[Entry]
    recorded: Recorded


def new_run(folder: Path, name: str, about: Mapping[str, Any], tags: dict[str, str]) -> Opened:
    """Begins a journal; one of an earlier run in the same folder is put aside with its files."""
    put_aside(folder)
    identity = uuid.uuid4().hex
    name = name or f"run-{identity[:8]}"
    journal = Journal(folder)
    with _undone_if_it_fails(journal):
        entries = [journal.append("begin", id=identity, name=name, **about), journal.append("tags", values=tags)]
    return Opened(journal, identity, name, entries, Recorded())


def known_run(folder: Path, run: str) -> RunFacts | None:
    """What the journal in `folder` tells of this run, by MLflow's id or its reference; None if it is of another."""
    path = folder / JOURNAL_FILE
    entries = read_journal(path)
    if not entries or entries[0].kind != "begin":
        return None
    names = {REFERENCE + str(entries[0].facts.get("id"))}
    names |= {str(entry.facts.get("run_id")) for entry in entries if entry.kind in ("begin", "stored")}
    return facts_of(entries[0], entries, folder) if run in names else None


def resumed_run(folder: Path, known: RunFacts, about: Mapping[str, Any], run_id: str, ours: bool) -> Opened:
    """Goes on with the journal in `folder`, if it is `ours`, else begins another one of the same run."""
    if not ours:
        put_aside(folder)
    journal = Journal(folder)
    entries = journal.found[:]
    with _undone_if_it_fails(journal):
        if not ours:
            told = {**about, "experiment": known.experiment, "parent": known.parent, "name": known.name}
            told |= {"id": uuid.uuid4().hex, "run": known.identity, "run_id": run_id}
            entries.append(journal.append("begin", at=known.began, **told))
        entries.append(journal.append("resume"))
    return Opened(journal, known.identity, known.name, entries, Recorded.of(known))


@contextmanager
def _undone_if_it_fails(journal: Journal) -> Iterator[None]:
    """Half a beginning would look like a run that was killed."""
    try:
        yield
    except BaseException:
        journal.undo()
        raise


def put_aside(folder: Path) -> None:
    """Moves what an earlier run left in this folder to a folder of its own, so that a new run can begin.

    Raises:
        TrackingError: that run goes on, or its files cannot be moved.
    """
    path = folder / JOURNAL_FILE
    journaled = path.is_file() and path.stat().st_size > 0
    if not journaled and not (folder / CHECKPOINTS).exists():
        return
    if journaled:
        Journal(folder).close()  # not while its run goes on
    entries = read_journal(path)
    aside = folder / EARLIER / (str(entries[0].facts.get("id")) if entries else uuid.uuid4().hex)
    try:
        aside.mkdir(parents=True, exist_ok=True)
        models = [path.name for path in folder.glob(f"{NAME}-[0-9]*")]
        for name in (CHECKPOINTS, ARTIFACTS, NAME, *models, JOURNAL_FILE):
            if (folder / name).exists():
                (folder / name).rename(aside / name)
    except OSError as error:
        raise TrackingError(f"{path}: cannot be put aside ({error.strerror or error})") from None
