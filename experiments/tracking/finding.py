"""Finds the run that a person names: by its folder, by MLflow's id or the beginning of it, or by its name."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from experiments.tracking.config import TrackingConfig
from experiments.tracking.database import shown
from experiments.tracking.facts import FOLDER_TAG, IDENTITY_TAG, REFERENCE, RunFacts, whole_facts
from experiments.tracking.journal import JOURNAL_FILE, Entry, is_being_written, read_journal
from experiments.tracking.lookup import get_run
from experiments.tracking.reading import RecordedRun, deleted_run, read_runs
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, UnreachableError, one_line_errors
from experiments.tracking.session import HOMES
from experiments.tracking.sources import journals
from experiments.tracking.store import address, database_path, is_local, open_to_read
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
        UnreachableError: the store does not answer, and no journal here is of such a run.
        TrackingError: there is none, or several; names those that may have been meant. Or the store cannot be used.
    """
    if named in WORDS:
        return _meant_by(named, config, having)
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


def _meant_by(word: str, config: TrackingConfig, having: str | None) -> Found:
    found = _of_id(run_id_of(word, config, having), config)
    if found is None:  # a champion that was registered by hand
        raise TrackingError(f"run {word}: the store has no run that it came from")
    return found


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


def recorded(names: Sequence[str], config: TrackingConfig) -> list[RecordedRun]:
    """The runs that a person named, as their store has them.

    Raises:
        TrackingError: one of them is not in the store (see `find`), or the store cannot be used.
    """
    ids = [find(name, config).run_id for name in names]
    runs = {run.run_id: run for run in read_runs(config)}
    for name, run_id in zip(names, ids, strict=True):
        if not run_id:
            raise TrackingError(f"run {name}: no store has it yet. Bring it there: python -m experiments.sync")
        if run_id not in runs:
            raise TrackingError(f"run {name}: is not in the store that was asked, or was deleted there")
    return [runs[run_id] for run_id in ids]


def _in_store(named: str, config: TrackingConfig) -> list[Found]:
    try:
        if _ID.fullmatch(named) and (found := _of_id(named, config)):
            return [found]
        runs = read_runs(config)
    except UnreachableError as error:
        if here := _in_journals(named):
            return here
        nowhere = f"run {named}: is in no folder here, and {redact(address(config))} cannot be reached"
        raise UnreachableError(nowhere, error.reason) from error
    if not runs:
        return _in_journals(named)
    called = [run for run in runs if run.name == named]
    begins = called or [run for run in runs if _BEGINNING.fullmatch(named) and run.run_id.startswith(named)]
    return [_found(run.run_id, run.name, run.status, run.began, run.tags) for run in begins]


def _of_id(run_id: str, config: TrackingConfig) -> Found | None:
    """The run of a whole id, which a server need not search for."""
    if is_local(uri := address(config)) and not database_path(uri).is_file():
        return None
    with one_line_errors(f"run {run_id}: cannot be looked for"):
        run = get_run(open_to_read(config), run_id)
    if run is None:
        return None
    if run.info.lifecycle_stage == "deleted":
        raise _deleted(run_id, run_id)
    return _found(run_id, run.info.run_name, run.info.status, run.info.start_time, run.data.tags)


def _found(run_id: str, name: str, status: str, began: int, tags: Mapping[str, str]) -> Found:
    if folder := _folder(run_id, tags):
        return replace(in_folder(folder), run_id=run_id, name=name)
    place = f"{tags[FOLDER_TAG]} on {tags.get('host', 'an unknown machine')}" if FOLDER_TAG in tags else ""
    return Found(run_id, name, status, began, place=place)


def _folder(run_id: str, tags: Mapping[str, str]) -> Path | None:
    """Where the run's journal is: where the run says, or else somewhere below the usual folders."""
    identity = tags.get(IDENTITY_TAG, run_id)
    said = [Path(tags[FOLDER_TAG], JOURNAL_FILE)] if FOLDER_TAG in tags else []
    for path in [*said, *(path for path in journals(map(Path, HOMES)) if identity.encode() in path.read_bytes())]:
        entries = read_journal(path)
        if entries and identity in (entries[0].facts.get("run"), entries[0].facts.get("id")):
            return path.parent
    return None


def _deleted(named: str, run_id: str) -> TrackingError:
    return TrackingError(f"run {named}: was deleted. Restore it first: mlflow runs restore --run-id {run_id}")


def _nothing(named: str, config: TrackingConfig) -> TrackingError:
    """The error for a run that is nowhere, or was deleted, with the nearest names."""
    if run_id := deleted_run(named, config):
        return _deleted(named, run_id)
    names = {*_names(config)}
    if not names:
        return TrackingError(f"run {named}: there are no runs yet. Make one: python -m experiments.run")
    near = get_close_matches(named, names | {*WORDS}, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Expected a folder, an id of MLflow's, or a name"
    few = (
        f"; {SHORTEST} characters of an id are needed" if re.fullmatch(rf"[0-9a-f]{{1,{SHORTEST - 1}}}", named) else ""
    )
    return TrackingError(f"run {named}: there is no such run{few}. {hint}")


def _names(config: TrackingConfig) -> Iterator[str]:
    for path in journals(map(Path, HOMES)):
        if entries := read_journal(path):
            yield str(entries[0].facts.get("name"))
    yield from (run.name for run in read_runs(config))
