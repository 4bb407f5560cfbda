"""Who runs which trial: workers under Dask, of this machine or of a cluster that the user runs (see `cluster`).

Dask starts processes, notices when they die and carries trials to them. Which trial is tried again is the driver's to
say, so each is pinned to one worker here and Dask's own second tries are not used.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from experiments.search.attendance import ANSWER_SECONDS, Attendance, Present
from experiments.search.records import SweepError
from experiments.search.workers import Job, Outcome, WorkerLostError
from experiments.tracking.service import first_line

if TYPE_CHECKING:
    from distributed import Client

LOOK_SECONDS = 1.0
"""So often, at least, it is seen to that workers live and trials end in time."""

PATIENCE_SECONDS = 60.0
"""So long a scheduler that cannot be reached is looked for: the connection to it is made anew."""

RESTART_SECONDS = 30.0
CLOSE_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Task:
    """A trial that waits for a worker, or runs on one."""

    job: Job
    future: Future[Outcome]
    remote: Any = None
    worker: str = ""
    process: str = ""
    """What tells the worker's process from one that took its place."""
    began: float = 0.0


class DaskWorkers:
    """Runs each trial on a worker of its own, from the moment that one is free (see `workers.Workers`)."""

    def __init__(
        self, client: Client, run: Callable[[Job], Outcome], count: int | None, timeout_minutes: float | None
    ) -> None:
        self._client, self._run = client, run
        self._attendance = Attendance(client, count)
        self._timeout = None if timeout_minutes is None else 60 * timeout_minutes
        self._waiting: deque[_Task] = deque()
        self._running: list[_Task] = []
        self._wake, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._watch, name="sweep-workers", daemon=True)
        self._thread.start()

    @property
    def capacity(self) -> int:
        """How many trials can run now."""
        return self._attendance.capacity

    @property
    def busy(self) -> list[str]:
        """The addresses of the workers that run trials."""
        return [task.worker for task in self._running]

    def submit(self, job: Job) -> Future[Outcome]:
        """Have a trial run on the next worker that is free."""
        task = _Task(job, Future())
        self._waiting.append(task)
        self._wake.set()
        return task.future

    def close(self) -> None:
        """Look no more; what runs is left alone."""
        self._closed = True
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)  # it may wait for a scheduler that answers no more

    def _watch(self) -> None:
        reached = time.monotonic()
        while not self._closed:
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            try:
                self._look()
                reached = time.monotonic()
            except Exception as error:
                if isinstance(error, SweepError) or time.monotonic() - reached > PATIENCE_SECONDS:
                    log.warning("the workers cannot be reached: %s", first_line(error))
                    self._give_up(error)

    def _look(self) -> None:
        present = self._attendance.look()
        for task in self._running[:]:
            if task.remote.cancelled() and _process(present, task.worker) == task.process:
                self._hand_over(task)  # only the connection was lost, and with it what it was to bring
            elif task.remote.done() or task.worker not in present:
                self._running.remove(task)
                self._settle(task)
            elif self._timeout is not None and time.monotonic() - task.began > self._timeout:
                self._running.remove(task)
                self._end(task)
        present = self._attendance.look()  # again: one of those above may just have died
        ready = self._attendance.ready(present, bool(self._waiting))
        for address in [address for address in ready if address not in self.busy]:
            if present[address]["status"] == "paused":  # near its --memory-limit; it would begin no trial
                restart(self._client, [address])
            elif (waited := self._next()) is not None:
                self._start(waited, address, _process(present, address))

    def _next(self) -> _Task | None:
        """The trial that has waited longest, of those that the driver still wants."""
        while self._waiting and not self._closed:
            task = self._waiting.popleft()
            if task.future.set_running_or_notify_cancel():
                return task
        return None

    def _start(self, task: _Task, address: str, process: str) -> None:
        task.worker, task.process, task.began = address, process, time.monotonic()
        self._running.append(task)
        self._hand_over(task)

    def _hand_over(self, task: _Task) -> None:
        """Have a task's worker run it. One that runs, or has run, it already answers without doing it twice."""
        task.remote = self._client.submit(
            self._run, task.job, workers=[task.worker], allow_other_workers=False, pure=False, retries=0
        )
        task.remote.add_done_callback(lambda _: self._wake.set())

    def _settle(self, task: _Task) -> None:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        lost = WorkerLostError(f"its worker {task.worker} died")
        if not task.remote.done():
            _cancel(task)
            task.future.set_exception(lost)
            return
        try:
            task.future.set_result(task.remote.result(timeout=ANSWER_SECONDS))
        except (KilledWorker, CancelledError):
            task.future.set_exception(lost)
        except Exception as error:  # the trial's own, or worker or scheduler went before the result was handed over
            task.future.set_exception(error if task.remote.status == "error" else lost)

    def _end(self, task: _Task) -> None:
        """Kill the worker of a trial that takes too long."""
        _cancel(task)
        restart(self._client, [task.worker])
        assert self._timeout is not None
        minutes = self._timeout / 60
        task.future.set_exception(
            WorkerLostError(f"it had not ended after workers.trial_timeout_minutes={minutes:g}; its worker was killed")
        )

    def _give_up(self, error: Exception) -> None:
        reason = error if isinstance(error, SweepError) else SweepError(f"the workers are gone ({first_line(error)})")
        for task in [*self._running, *self._waiting]:
            with suppress(InvalidStateError):  # the driver may take one back at this very moment
                task.future.set_exception(reason)
        self._running.clear()
        self._waiting.clear()


def _cancel(task: _Task) -> None:
    with suppress(Exception):  # a scheduler that is gone has forgotten it by itself
        task.remote.cancel(force=True)


def _process(present: Present, address: str) -> str:
    """A folder that each process of a worker makes for itself; empty if there is no worker at the address."""
    return str(present[address].get("local_directory", "")) if address in present else ""


def restart(client: Client, addresses: list[str]) -> None:
    """End what these workers do, whatever state they are in."""
    ask = partial(client.scheduler.restart_workers, stimulus_id="sweep", on_error="return")
    with suppress(Exception):  # one that cannot be reached is gone already, or is its cluster's to mend
        # Not Client.restart_workers: it waits for ever for a scheduler that answers no more.
        there = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS)["workers"]
        if known := [one for one in addresses if one in there and there[one]["nanny"]]:  # else nobody starts it again
            client.sync(ask, workers=known, timeout=RESTART_SECONDS, callback_timeout=RESTART_SECONDS)
