"""A run that is open: its journal, and the thread that brings the journal to a store."""

from __future__ import annotations

import logging
import math
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.tracking.config import TrackingConfig
from experiments.tracking.copies import facts_of_run
from experiments.tracking.courier import Courier
from experiments.tracking.credentials import may_go_to
from experiments.tracking.database import shown
from experiments.tracking.facts import ERROR_TAG, FOLDER_TAG, NOTE_TAG, REFERENCE, RESUMES_TAG, RunFacts
from experiments.tracking.life import signs_of_life
from experiments.tracking.lookup import find_by_reference, identity_of
from experiments.tracking.opening import Opened, Recorded, known_run, new_run, resumed_run
from experiments.tracking.redaction import redact
from experiments.tracking.replica import Replica
from experiments.tracking.service import TrackingError, UnreachableError, import_mlflow, one_line_errors
from experiments.tracking.signals import STOPS, held_back
from experiments.tracking.spelling import shown_params, shown_tags
from experiments.tracking.staging import keep
from experiments.tracking.store import (
    Store,
    address,
    is_local,
    is_postgres,
    kept_address,
    open_store,
    wait_no_longer_than,
)

HOMES = ("outputs", "multirun", "sweeps")
"""The folders, in the working folder, below which runs are looked for."""

REQUEST_SECONDS = 10
"""How long a request to a server waits for an answer while a training goes on."""

OPENING_SECONDS = 10.0
"""How long the start of a run waits for a server."""

DATABASE_OPENING_SECONDS = 120.0
"""And for a database, which may have to be made, or be held by others who make it."""

STOPPED_SECONDS = 8.0
"""How long a run that was stopped waits for its store in the end."""

VAIN_SECONDS = 10.0
"""How long a run waits in all, in vain, for its database to take what happened; then it does not wait any more."""

log = logging.getLogger(__name__)


class Session:
    """What a Recorder writes to, from `open` to `end`; see there for the arguments.

    Attributes:
        name: the run's; made up if none was given.
        folder: where the journal and the run's files are.
        recorded: what the run has already.
    """

    def __init__(
        self, config: TrackingConfig, folder: Path, name: str, resume: str | None, warn: Callable[[str], None]
    ) -> None:
        self.name, self.folder = name, folder
        self.recorded = Recorded()
        self._config, self._resume, self._warn = config, resume, warn
        self._uri = address(config)
        self._local = is_local(self._uri)
        self._courier = Courier(self._connect, folder)
        self._opened: Opened | None = None
        self._parent: str | None = None
        self._patience = VAIN_SECONDS if self._local else 0.0
        self._warned = self._noted = False

    @property
    def store(self) -> Store | None:
        """Where the run is brought to; None until that was reached."""
        return self._courier.replica.store if self._courier.replica else None

    @property
    def run(self) -> Any:
        """MLflow's run as it was found or created; None until the store has it."""
        return self._courier.replica.run if self._courier.replica else None

    @property
    def reference(self) -> str:
        """MLflow's id of the run, or what it is called while no store knows it."""
        return str(self.run.info.run_id) if self.run else REFERENCE + self._journaled.identity

    @property
    def in_step(self) -> bool:
        """Whether the store has all that was recorded."""
        return self._courier.in_step

    @property
    def failure(self) -> TrackingError | None:
        """Why the store does not come along; None while it does."""
        return self._courier.failure

    @property
    def completing(self) -> str:
        """The command that brings the store what it lacks."""
        command = ["python", "-m", "experiments.sync"]
        hidden = not self._local and kept_address(self._uri) != self._uri
        if hidden or not may_go_to(self._uri):
            # the address holds a password, which a journal must not; or sync does not send credentials by itself
            command += ["--to", "URI" if hidden else self._uri, str(self.folder)]
        elif not any(self.folder.absolute().is_relative_to(Path(name).absolute()) for name in HOMES):
            command.append(str(self.folder))
        return shlex.join(command)

    @property
    def _journaled(self) -> Opened:
        assert self._opened is not None, "a recorder is used within its `with` block"
        return self._opened

    # --- beginning ------------------------------------------------------------------------------------

    def open(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Opens the store, waiting a little for it, and begins the journal, or goes on with it.

        Raises:
            TrackingError: the store, or the folder, cannot be used, which is for the user to mend. No run was made.
        """
        import_mlflow()
        wait_no_longer_than(REQUEST_SECONDS)
        told, about = shown_params(params), shown_tags({**tags, FOLDER_TAG: shown(self.folder.absolute())})
        known = known_run(self.folder, self._resume) if self._resume else None
        if known is not None:
            self._config = replace(self._config, experiment=known.experiment)
        is_server = not self._local and not is_postgres(self._uri)
        deadline = time.monotonic() + (OPENING_SECONDS if is_server else DATABASE_OPENING_SECONDS)
        try:
            self._courier.start(deadline - time.monotonic())
            self._opened = self._begin(known, about)
        except BaseException:
            self._courier.close()
            raise
        self.name, self.recorded = self._opened.name, self._opened.recorded
        self._noted = any(entry.kind == "stored" for entry in self._opened.entries)
        try:
            self._courier.post(self._opened.entries)
            self._tell(told, about)
            self._courier.keep_in_step(deadline - time.monotonic())
        except BaseException as error:
            self.end("FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        self._refuse_mistakes()
        self._look_at_store()

    def _connect(self, on_step: Callable[[int], None]) -> Replica:
        """What the courier does to open the store, in its thread."""
        store = open_store(self._config)
        above = self._config.parent_run_id
        if above is not None and not above.startswith(REFERENCE) and self._opened is None:
            with one_line_errors(f"tracking.parent_run_id={above}"):
                self._parent = identity_of(store.client.get_run(above))
        return Replica(store, fresh=self._resume is None, on_step=on_step)

    def _begin(self, known: RunFacts | None, tags: dict[str, str]) -> Opened:
        above = self._parent or self._config.parent_run_id
        parent = above.removeprefix(REFERENCE) if above else None
        about = {"experiment": self._config.experiment, "uri": kept_address(self._uri), "parent": parent}
        if self._resume is None:
            return new_run(self.folder, self.name, about, tags | signs_of_life())
        if known is not None:
            return resumed_run(self.folder, known, about, self._resume, ours=True)
        if self.store is None:
            raise TrackingError(f"run {self._resume}: {self.folder} has no journal of it, and {self.failure}")
        with one_line_errors(f"run {self._resume}"):
            run = find_by_reference(self.store, self._resume)
            known = facts_of_run(self.store, run)
        return resumed_run(self.folder, known, about, run.info.run_id, ours=False)

    def _tell(self, params: dict[str, str], tags: dict[str, str]) -> None:
        """The settings; of a run that goes on, what differs stands beside them, since they cannot be changed."""
        there = self.recorded
        self.record("params", values={name: value for name, value in params.items() if name not in there.params})
        if self._resume is not None:
            number = int(there.tags.get(RESUMES_TAG, 0)) + 1
            differs = {f"resume.{number}.{name}": params[name] for name in there.changed(params)}
            anew = {name: tags.pop(name) for name in (FOLDER_TAG, NOTE_TAG) if name in tags}  # what is so now counts
            differs |= {f"resume.{number}.{name}": text for name, text in tags.items() if there.tags.get(name) != text}
            if error := there.tags.get(ERROR_TAG):
                differs |= {ERROR_TAG: "", f"resume.{number}.{ERROR_TAG}": error}
            self.record("tags", values={RESUMES_TAG: str(number)} | anew | differs | signs_of_life())
        there.params = params | there.params

    def _refuse_mistakes(self) -> None:
        try:
            self._courier.raise_mistakes()
        except TrackingError:
            self._journaled.journal.undo()
            self._opened = None
            raise

    # --- in between -----------------------------------------------------------------------------------

    def record(self, kind: str, **facts: Any) -> None:
        """The one way for everything about a run: the journal, then the store, as far as it comes along.

        Raises:
            TrackingError: the folder does not take it.
        """
        if "values" in facts and not facts["values"]:
            return
        self._append(kind, **facts)
        if self._patience > 0:
            self._patience -= self._courier.keep_in_step(self._patience)
        self._look_at_store()

    def keep(self, name: str, write: Callable[[Path], object]) -> None:
        """Has `write` make a file, keeps it in the folder, and records it as the artifact `name`."""
        self.record("artifact", name=name, file=keep(self.folder, name, write))

    def _append(self, kind: str, **facts: Any) -> None:
        with held_back():
            self._courier.post([self._journaled.journal.append(kind, **facts)])

    def _look_at_store(self) -> None:
        """Notes where the run is, once that is known; tells a person, once, that the store lacks something."""
        if self.run and self.store is not None and not self._noted:
            self._noted = True
            where: dict[str, Any] = {"uri": kept_address(self._uri), "experiment_id": self.store.experiment_id}
            with suppress(TrackingError), held_back():
                self._journaled.journal.append("stored", run_id=self.run.info.run_id, **where)
        failure = self.failure
        if self._warned or (failure is None and not self._courier.refused):
            return
        self._warned = True
        why = failure.reason if isinstance(failure, UnreachableError) else failure or self._courier.refused[0]
        self._warn(
            f"warning: {redact(self._uri)} does not take the record ({why}). The run goes on and is kept in "
            f"{self.folder}; to complete the record: {self.completing}"
        )

    # --- end ------------------------------------------------------------------------------------------

    def end(self, status: str, reason: str | None = None) -> None:
        """Closes the record, with the reason as the tag `error`; waits a little for a store that gets on."""
        if self._opened is None:  # it never began
            return
        with held_back() as stops:
            if reason is not None:
                self._append_or_post("tags", values=shown_tags({ERROR_TAG: reason}))
            self._append_or_post("end", status=status)
            # whoever stops a run waits for its end: the journal has everything, and a store can be completed later
            seconds = STOPPED_SECONDS if status == "KILLED" else math.inf
            self._courier.finish(seconds, lambda: any(number in STOPS for number in stops))
            self._look_at_store()
            self._journaled.journal.close()

    def _append_or_post(self, kind: str, **facts: Any) -> None:
        """The store should know of a run's end even where the journal's disk is full."""
        try:
            self._append(kind, **facts)
        except TrackingError as reason:
            log.warning("run %s: its end is not in its journal: %s", self.name, reason)
            self._courier.post([self._journaled.journal.entry(kind, **facts)])
