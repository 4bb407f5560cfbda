"""Finds the run that a person names: by its folder, by MLflow's id or the beginning of it, or by its name."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from experiments.tracking.config import TrackingConfig
from experiments.tracking.database import shown
from experiments.tracking.facts import FOLDER_TAG, REFERENCE, RunFacts, whole_facts
from experiments.tracking.journal import JOURNAL_FILE, Entry, is_being_written, read_journal
from experiments.tracking.lookup import get_run, identity_of
from experiments.tracking.service import TrackingError, UnreachableError, one_line_errors
from experiments.tracking.session import HOMES
from experiments.tracking.sources import journals
from experiments.tracking.store import Store, existing_store, open_to_read
from experiments.tracking.words import WORDS, run_id_of

SHORTEST = 4
"""Characters of an id that may stand for all of it."""

MOST_SHOWN = 5

_ID = re.compile(r"[0-9a-f]{32}")
_BEGINNING = re.compile(rf"[0-9a-f]{{{SHORTEST},32}}")


@dataclass(frozen=True)
class Found:
    """A run.

    Attributes:
        run_id: MLflow's; empty if no store has it.
        status: as it was recorded last. RUNNING: it goes on, or only a store knows of it, and its process was killed.
        began: milliseconds since 1970.
        folder: of its journal, with what that tells, the store that it names, and what a Recorder knows the run by;
            None if it is not on this machine.
        place: which folder, of which machine, it said that it writes to.
    """

    run_id: str
    name: str
    status: str
    began: int
    folder: Path | None = None
    facts: RunFacts | None = None
    uri: str = ""
    reference: str = ""
    place: str = ""

    def __str__(self) -> str:
        """As one of several: 5f2c90ab FINISHED 2026-11-22 10:15."""
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.began / 1000))
        return f"{self.run_id[:8] or self.folder} {self.status} {began}"


def find(named: str, config: TrackingConfig, having: str | None = None) -> Found:
    """The run of this word, folder, id, beginning of an id, or name, in the store that `config` names.

    A folder, and the whole id of a run with a journal below `outputs/` or `multirun/`, need no store. If the store
    does not answer, or is not there, those journals are asked for the rest too. Words are best, latest and champion
    (see `words`); `having` is a tag that the run they mean has to have.

    Raises:
        TrackingError: there is none, or several; names those that may have been meant. Or the store cannot be used.
    """
    if named in WORDS:
        return _recorded(open_to_read(config).client.get_run(run_id_of(named, config, having)))
    if is_folder(named):
        return in_folder(Path(named))
    found = _in_journals(named) if _ID.fullmatch(named) else []
    found = found or _in_store(named, config)
    if len(found) == 1:
        return found[0]
    if not found:
        raise _nothing(named, config)
    ordered = sorted(found, key=lambda run: -run.began)
    more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    raise TrackingError(
        f"run {named}: {len(found)} runs are called or begin so: {', '.join(map(str, ordered[:MOST_SHOWN]))}{more}. "
        "Name one by its id, or by enough of it"
    )


def is_folder(named: str) -> bool:
    """Whether there is a folder of this name; no name can be too long to ask."""
    try:
        return Path(named).is_dir()
    except (OSError, ValueError):
        return False


def in_folder(folder: Path) -> Found:
    """The run whose journal is in this folder.

    Raises:
        TrackingError: there is none, or the journal cannot be read.
    """
    entries = read_journal(folder / JOURNAL_FILE)
    if not entries:
        raise TrackingError(f"{folder}: there is no run in this folder (it has no {JOURNAL_FILE})")
    return _told(folder, entries)


def _told(folder: Path, entries: list[Entry]) -> Found:
    facts = whole_facts(entries, folder)
    ids = [entry.facts["run_id"] for entry in entries if entry.kind in ("begin", "stored") and "run_id" in entry.facts]
    status = "RUNNING" if is_being_written(folder / JOURNAL_FILE) else str(facts.status)
    begin = entries[0].facts
    return Found(
        run_id=(ids or [""])[-1],
        name=facts.name,
        status=status,
        began=facts.began,
        folder=Path(shown(folder.resolve())),
        facts=facts,
        uri=str(begin.get("uri", "")),
        reference=REFERENCE + str(begin["id"]),
    )


def _in_journals(named: str) -> list[Found]:
    """The runs with a journal here that have this id, name, or beginning of an id."""
    looked_for = json.dumps(named, ensure_ascii=False)[1:-1].encode()
    found = []
    for path in journals(map(Path, HOMES)):
        if looked_for in path.read_bytes() and (entries := read_journal(path)):
            found.append(_told(path.parent, entries))
    return [run for run in found if run.name == named] or [
        run for run in found if _BEGINNING.fullmatch(named) and run.run_id.startswith(named)
    ]


def _in_store(named: str, config: TrackingConfig) -> list[Found]:
    try:
        store = existing_store(config)
        if store is not None:
            with one_line_errors(f"run {named}: cannot be looked for"):
                return [_recorded(run) for run in _runs(store, named)]
    except UnreachableError:
        pass
    return _in_journals(named)


def _runs(store: Store, named: str) -> list[Any]:
    """MLflow's runs of this id, or else of this name, or else whose ids begin so."""
    if _ID.fullmatch(named) and (run := get_run(store, named)):
        if run.info.lifecycle_stage == "deleted":
            raise TrackingError(f"run {named}: was deleted. Restore it first: mlflow runs restore --run-id {named}")
        return [run]
    runs = _all(store)
    called = [run for run in runs if run.info.run_name == named]
    return called or [run for run in runs if _BEGINNING.fullmatch(named) and run.info.run_id.startswith(named)]


def _all(store: Store) -> list[Any]:
    """Every run of the store, of whatever MLflow experiment."""
    experiments = [item.experiment_id for item in store.client.search_experiments()]
    runs, token = [], None
    while True:
        page = store.client.search_runs(experiments, max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def _recorded(run: Any) -> Found:
    tags, info = run.data.tags, run.info
    if folder := _folder(run):
        return replace(in_folder(folder), run_id=info.run_id, name=info.run_name)
    place = f"{tags[FOLDER_TAG]} on {tags.get('host', 'an unknown machine')}" if FOLDER_TAG in tags else ""
    return Found(info.run_id, info.run_name, info.status, info.start_time, place=place)


def _folder(run: Any) -> Path | None:
    """Where the run's journal is: where the run says, or else somewhere below the usual folders."""
    identity = identity_of(run)
    said = [Path(run.data.tags[FOLDER_TAG], JOURNAL_FILE)] if FOLDER_TAG in run.data.tags else []
    for path in [*said, *(path for path in journals(map(Path, HOMES)) if identity.encode() in path.read_bytes())]:
        entries = read_journal(path)
        if entries and identity in (entries[0].facts.get("run"), entries[0].facts.get("id")):
            return path.parent
    return None


def _nothing(named: str, config: TrackingConfig) -> TrackingError:
    """The error for a run that is nowhere, with the nearest names."""
    names = {*_names(config), *WORDS}
    near = get_close_matches(named, names, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Expected a folder, an id of MLflow's, or a name"
    few = (
        f"; {SHORTEST} characters of an id are needed" if re.fullmatch(rf"[0-9a-f]{{1,{SHORTEST - 1}}}", named) else ""
    )
    return TrackingError(f"run {named}: there is no such run{few}. {hint}")


def _names(config: TrackingConfig) -> Iterable[str]:
    for path in journals(map(Path, HOMES)):
        if entries := read_journal(path):
            yield str(entries[0].facts.get("name"))
    try:
        store = existing_store(config)
        with one_line_errors("the runs cannot be listed"):
            yield from (run.info.run_name for run in (_all(store) if store is not None else ()))
    except UnreachableError:
        return
