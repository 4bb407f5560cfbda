"""All runs of a store, whoever recorded them, and the journals of those whose folders are here. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.tracking.facts import SEAL_TAG
from experiments.tracking.journal import is_being_written
from experiments.tracking.lookup import identity_of
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, one_line_errors
from experiments.tracking.sources import Source, journals, of_journal
from experiments.tracking.store import Store, database_path, is_local, reach, read_database

PAGE = 1000
_ACTIVE_AND_DELETED = 3  # mlflow.entities.ViewType.ALL


@dataclass(frozen=True)
class Journaled:
    """A run whose folder is here."""

    path: Path
    source: Source

    def is_written(self) -> bool:
        """Whether a process writes it at this moment."""
        return is_being_written(self.path)


@dataclass
class Journals:
    """The journals below some folders, by the identity of their runs, and a line for each that cannot be read.

    A run has several where it was taken up again in another folder.
    """

    readable: dict[str, list[Journaled]] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    @classmethod
    def below(cls, folders: Iterable[Path]) -> Journals:
        """Reads them."""
        found = cls()
        for path in journals(folders):
            try:
                source = of_journal(path)
            except TrackingError as error:
                found.damaged.append(str(error))
            else:
                found.readable.setdefault(source.identity, []).append(Journaled(path, source))
        return found

    def of(self, run: Any) -> list[Journaled]:
        """Those of MLflow's run."""
        return self.readable.get(identity_of(run), [])


@dataclass(frozen=True)
class Census:
    """A store and what is in it.

    Attributes:
        home: the folder that a local store's relative places are meant from.
        experiments: the names of MLflow's experiments by id.
        runs: MLflow's runs that were not deleted, the newest first.
        deleted: the identities of those that were.
    """

    store: Store
    home: Path
    experiments: dict[str, str]
    runs: list[Any]
    deleted: set[str]

    def incomplete(self, journals: Journals, address: str) -> list[Journaled]:
        """The runs here that ended and that the store lacks something of; `address` as a journal keeps the store's."""
        seals = {identity_of(run): run.data.tags for run in self.runs}
        return [
            item
            for identity, items in journals.readable.items()
            for item in items
            if item.source.uri == address
            and not item.source.goes_on
            and identity not in self.deleted
            and item.source.seal not in _seals(seals.get(identity, {}))
        ]


def take(uri: str, on_page: Callable[[int], None] = lambda runs: None) -> Census | None:
    """What is in the store at this address; None for a database that is not there yet. `on_page` hears how many.

    Raises:
        UnreachableError: the server does not answer, or the database is locked.
        TrackingError: the store cannot be used.
    """
    store = _store(uri)
    if store is None:
        return None
    with one_line_errors(f"{redact(uri)}: cannot be read"):
        experiments = {item.experiment_id: item.name for item in _pages(store.client.search_experiments)}
        found: list[Any] = []
        for experiment in experiments:
            for run in _pages(
                store.client.search_runs,
                experiment_ids=[experiment],
                run_view_type=_ACTIVE_AND_DELETED,
            ):
                found.append(run)
                on_page(len(found))
    runs = [run for run in found if run.info.lifecycle_stage == "active"]
    runs.sort(key=lambda run: run.info.start_time, reverse=True)
    deleted = {identity_of(run) for run in found} - {identity_of(run) for run in runs}
    return Census(store, database_path(uri).parent if is_local(uri) else Path.cwd(), experiments, runs, deleted)


def _store(uri: str) -> Store | None:
    if not is_local(uri):
        return Store(reach(uri), uri, "")
    path = database_path(uri)
    return read_database(path) if path.is_file() and path.stat().st_size else None


def _pages(search: Callable[..., Any], **asked: Any) -> Iterable[Any]:
    token = None
    while True:
        page = search(**asked, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _seals(tags: dict[str, str]) -> set[str]:
    """The marks that a store has all of a journal; one that a run was taken up with in another folder has its own."""
    return {value for name, value in tags.items() if name == SEAL_TAG or name.startswith(f"{SEAL_TAG}.")}
