"""Runs that a store takes for going on though their process is gone: found, and closed with what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.tracking.census import Census, Journaled, Journals
from experiments.tracking.completion import Completion
from experiments.tracking.facts import FOLDER_TAG
from experiments.tracking.journal import JOURNAL_FILE, now, read_journal
from experiments.tracking.life import Verdict, judge, last_heartbeat, shown_time
from experiments.tracking.lookup import get_run, identity_of
from experiments.tracking.service import TrackingError, one_line_errors
from experiments.tracking.store import Store

REASON_TAG = "stop_reason"
"""The tag of a run that says why its training stopped."""


@dataclass(frozen=True)
class OpenRun:
    """A run that is RUNNING in its store, whether its process lives, and its journals that are here."""

    run: Any
    verdict: Verdict
    journaled: list[Journaled]

    def __str__(self) -> str:
        return f"{self.run.info.run_name} (run {self.run.info.run_id})"

    def folder(self) -> Path | None:
        """Where it can be gone on with: its folder, if that is here with its journal; none for a multirun."""
        said = self.run.data.tags.get(FOLDER_TAG, "")
        folder = self.journaled[-1].path.parent if self.journaled else Path(said)
        return folder if self._began_in(folder) and not (folder / "multirun.yaml").is_file() else None

    def _began_in(self, folder: Path) -> bool:
        try:
            entries = read_journal(folder / JOURNAL_FILE)
        except TrackingError:
            return False
        return bool(entries) and identity_of(self.run) in (entries[0].facts.get("run"), entries[0].facts.get("id"))


def open_runs(census: Census, journals: Journals) -> list[OpenRun]:
    """Those of a store, each judged."""
    running = [run for run in census.runs if run.info.status == "RUNNING"]
    return [_judged(run, journals.of(run)) for run in running]


def close(store: Store, found: OpenRun) -> str:
    """Ends a run whose process is gone as its journal knows it; without one as KILLED when it was last heard of.

    Returns:
        What was done, in a line. A run that shows life in the meantime is left alone.

    Raises:
        TrackingError: the store does not take it.
    """
    run_id = found.run.info.run_id
    again = _looked_at_again(store, found)
    if again is None or again.verdict.alive is not False:
        return f"{found}: left alone, it ended or was taken up again in the meantime"
    reason = f"{again.verdict.why}; closed by experiments.doctor"
    if found.journaled:
        Completion(store.uri).bring_all([item.source for item in found.journaled], lambda source: None)
        again = _looked_at_again(store, found)
        if again is None:
            with one_line_errors(f"{found}: cannot be closed"):
                ended = store.client.get_run(run_id).info
                if ended.status == "KILLED":
                    store.client.set_tag(run_id, REASON_TAG, reason)
            return f"{found}: {ended.status}, ended {shown_time(ended.end_time)}, by {found.journaled[-1].path}"
    end = last_sign(again.run)
    with one_line_errors(f"{found}: cannot be closed"):
        store.client.set_tag(run_id, REASON_TAG, reason)
        store.client.set_terminated(run_id, "KILLED", end)
    return f"{found}: KILLED, ended {shown_time(end)}, when it was last heard of"


def last_sign(run: Any) -> int:
    """When a run was last heard of: its last heartbeat or measurement, or its beginning. Milliseconds since 1970."""
    measured = [item.timestamp for item in run.data._metric_objs]
    return int(max([run.info.start_time, last_heartbeat(run.data.tags) or 0, *measured]))


def _judged(run: Any, journaled: list[Journaled]) -> OpenRun:
    for item in journaled:
        if item.is_written():
            return OpenRun(run, Verdict(True, f"a process writes {item.path}"), journaled)
    verdict = judge(run.data.tags, last_sign(run), now())
    if verdict.alive is None and journaled:
        verdict = Verdict(False, f"no process writes {journaled[-1].path}")
    return OpenRun(run, verdict, journaled)


def _looked_at_again(store: Store, found: OpenRun) -> OpenRun | None:
    """The run as it is now; None if it is not RUNNING any more."""
    with one_line_errors(f"{found}: cannot be read"):
        run = get_run(store, found.run.info.run_id)
    if run is None or run.info.lifecycle_stage == "deleted" or run.info.status != "RUNNING":
        return None
    return _judged(run, found.journaled)
