"""Where runs to bring come from: journals below folders, and the SQLite database of a project."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from experiments.tracking.bounds import files_of
from experiments.tracking.copies import facts_of_run, models_of, own_path
from experiments.tracking.facts import FOLDER_TAG, SEAL_TAG, RunFacts, whole_facts
from experiments.tracking.journal import JOURNAL_FILE, held, is_being_written, read_journal
from experiments.tracking.lookup import identity_of
from experiments.tracking.model import NAME
from experiments.tracking.replica import PARENT_TAG
from experiments.tracking.service import TrackingError, one_line_errors
from experiments.tracking.session import HOMES
from experiments.tracking.staging import ARTIFACTS, CHECKPOINTS
from experiments.tracking.store import SQLITE, Store, database_path, is_local, kept_address

LOCK_SECONDS = 60.0
"""How long another process that copies a run out of the same database is waited for."""

_WITHOUT_JOURNALS = (ARTIFACTS, CHECKPOINTS, NAME, "mlruns")


def _always() -> AbstractContextManager[bool]:
    return nullcontext(True)


@dataclass(frozen=True)
class Source:
    """A run that can be brought somewhere; `load` reads the rest of it.

    Attributes:
        uri: the store that it was recorded for, as a journal here would keep it.
        seal: what marks the run in a store that has all of it.
        goes_on: a process writes it at this moment.
        alone: keeps all others from bringing the run meanwhile; gives False if another one is at it, or writes it.
    """

    identity: str
    name: str
    parent: str | None
    experiment: str
    uri: str
    goes_on: bool
    seal: str
    load: Callable[[], RunFacts]
    alone: Callable[[], AbstractContextManager[bool]] = _always


def journals(folders: Iterable[Path]) -> list[Path]:
    """The journals at or below these folders, each once, in the order of their names."""
    found = set()
    for folder in folders:
        for here, inner, files in os.walk(folder):
            inner[:] = [name for name in inner if name not in _WITHOUT_JOURNALS and not name.startswith(".")]
            if JOURNAL_FILE in files:
                found.add(Path(os.path.normpath(here)) / JOURNAL_FILE)
    return sorted(found)


def of_journal(path: Path) -> Source:
    """The run of a journal. Of one that has just been made nothing is known but that it goes on.

    Raises:
        TrackingError: the journal cannot be read.
    """
    goes_on = is_being_written(path)
    entries = read_journal(path)
    if goes_on and not entries:
        return Source("", path.parent.name, None, "", "", goes_on, "", lambda: whole_facts([], path.parent))
    facts = whole_facts(entries, path.parent)
    return Source(
        identity=facts.identity,
        name=facts.name,
        parent=facts.parent,
        experiment=facts.experiment,
        uri=_address(str(entries[0].facts.get("uri", "")), facts, path.parent),
        goes_on=goes_on,
        seal=facts.seal,
        load=lambda: whole_facts(read_journal(path), path.parent),
        alone=partial(held, path),
    )


def of_store(store: Store, home: Path, journaled: Sequence[Source] = ()) -> list[Source]:
    """The runs of a local store whose database is in `home`.

    Of runs that have a journal only those that the store has all of: a person may have named or tagged them anew,
    which their journals do not know.

    Raises:
        TrackingError: the store cannot be read.
    """
    seals = {source.identity: source.seal for source in journaled}
    with one_line_errors(f"{store}: cannot be read"):
        runs = [
            (run, experiment.name)
            for experiment in store.client.search_experiments()
            for run in _runs(store, experiment.experiment_id)
        ]
    identities = {run.info.run_id: identity_of(run) for run, _ in runs}
    return [
        _of_run(store, run, experiment, identities, home)
        for run, experiment in runs
        if seals.get(identity_of(run)) in (None, run.data.tags.get(SEAL_TAG))
    ]


def parents_first(sources: Sequence[Source]) -> list[Source]:
    """The same, each after the run above it."""
    above = {source.identity: source.parent for source in sources}

    def depth(identity: str | None) -> int:
        passed: list[str] = []
        while identity in above and identity not in passed:
            passed.append(identity)
            identity = above[identity]
        return len(passed)

    return sorted(sources, key=lambda source: depth(source.identity))


def _address(uri: str, facts: RunFacts, folder: Path) -> str:
    """The store that a journal names; a database's place is meant from the folder of its own project."""
    if not is_local(uri):
        return uri
    with suppress(ValueError, OSError):  # no place at all
        return kept_address(SQLITE + str(_project(facts.tags.get(FOLDER_TAG, ""), folder) / uri.removeprefix(SQLITE)))
    return uri


def _project(said: str, folder: Path) -> Path:
    """Where the command of the run in `folder` was typed: above what the run says, or above `outputs/`; else here."""
    parts, last = folder.absolute().parts, Path(said).parts
    if last and parts[-len(last) :] == last:
        return Path(*parts[: -len(last)])
    above = [number for number, part in enumerate(parts) if part in HOMES]
    return Path(*parts[: above[-1]]) if above else Path.cwd()


def _runs(store: Store, experiment_id: str) -> Iterator[Any]:
    token = None
    while True:
        page = store.client.search_runs([experiment_id], order_by=["attributes.start_time ASC"], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _of_run(store: Store, run: Any, experiment: str, identities: Mapping[str, str], home: Path) -> Source:
    def load() -> RunFacts:
        with one_line_errors(f"run {run.info.run_id}"):
            facts = facts_of_run(store, run)
            with _left_out(facts):
                facts.artifacts = files_of(own_path(run.info.artifact_uri, home))
            with _left_out(facts):
                facts.models = list(models_of(store.client, run, home))
        return facts

    return Source(
        identity=identity_of(run),
        name=run.info.run_name,
        parent=identities.get(run.data.tags.get(PARENT_TAG, "")),
        experiment=experiment,
        uri=store.uri,
        goes_on=False,
        seal=run.data.tags.get(SEAL_TAG, ""),
        load=load,
        alone=partial(_alone, database_path(store.uri)),
    )


@contextmanager
def _left_out(facts: RunFacts) -> Iterator[None]:
    """Files that cannot be sent do not keep back the rest of the run."""
    try:
        yield
    except TrackingError as error:
        facts.left_out.append(f"{facts.name}: {error}")


@contextmanager
def _alone(database: Path) -> Iterator[bool]:
    lock = FileLock(f"{database}.sync.lock", timeout=LOCK_SECONDS, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
