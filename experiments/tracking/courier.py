"""Brings a journal's entries to a store beside the training, which never waits long for it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from experiments.tracking.facts import facts_of
from experiments.tracking.journal import Entry
from experiments.tracking.life import BEAT_SECONDS
from experiments.tracking.redaction import redacted_traceback
from experiments.tracking.replica import Replica
from experiments.tracking.service import TrackingError, UnreachableError

PAUSES = (1.0, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds without an attempt after the first failure, the second, ...; the last for all that follow."""

STEP_SECONDS = 12.0
"""So long a step may take at the end of a run; a request gives up by itself a little before."""

SLOWEST_UPLOAD = 100_000
"""Bytes per second; a step that sends files may take so much longer."""

SOON = 1.0
"""A failure within so many seconds may be a connection that the server had closed: one more attempt costs little."""

SWIFT = 0.5
"""So many seconds may pass until a store has what it was told; what goes beyond was waited in vain."""

Connect = Callable[[Callable[[int], None]], Replica]
"""Opens the store; is given what the replica should call before each request."""

log = logging.getLogger(__name__)


class Courier:
    """A thread that hands on what it is given, in order, and tries again after a pause when the store fails.

    While the store has everything it is told once a minute that the run goes on.

    Args:
        connect: opens the store; called until it succeeds.
        folder: the journal's, to which the names of files in entries are relative.

    Attributes:
        replica: the run in the store, once the store is open.
        failure: why the store lacks something; None while it comes along.
        refused: what the store will not have, a line each.
    """

    def __init__(self, connect: Connect, folder: Path) -> None:
        self.replica: Replica | None = None
        self.failure: TrackingError | None = None
        self.refused: list[str] = []
        self._connect, self._folder = connect, folder
        self._begin: Entry | None = None
        self._pending: list[Entry] = []
        self._changed = threading.Condition()
        self._failures = self._streak = 0
        self._not_before = self._step_ends = 0.0
        self._beat_at = time.monotonic() + BEAT_SECONDS  # the run begins with a heartbeat of its own
        self._finishing = self._closed = False
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)

    @property
    def in_step(self) -> bool:
        """Whether the store has everything, and took it."""
        return self.replica is not None and not self._pending and not self.refused

    def start(self, seconds: float) -> None:
        """Opens the store, and waits for that, but not longer than `seconds`.

        Raises:
            TrackingError: the store cannot be used, which is for the user to mend.
        """
        with self._changed:
            self._thread.start()
            if not self._changed.wait_for(lambda: self.replica or self.failure, seconds):
                self.failure = UnreachableError("the store cannot be reached", "no answer in time")
        self.raise_mistakes()

    def raise_mistakes(self) -> None:
        """Raises what went wrong unless it may mend itself: before anything trains, the user should know."""
        if self.failure is not None and not isinstance(self.failure, UnreachableError):
            self.close()
            raise self.failure

    def post(self, entries: Sequence[Entry]) -> None:
        """Hands over entries of the journal, the first of all its beginning; returns at once."""
        with self._changed:
            self._begin = self._begin or entries[0]
            self._pending += entries
            self._changed.notify_all()

    def keep_in_step(self, seconds: float) -> float:
        """Waits until the store has everything, unless it fails; returns the seconds waited in vain, or for long."""
        began = time.monotonic()
        with self._changed:
            came = self._changed.wait_for(lambda: not self._pending or self.failure, seconds)
        waited = time.monotonic() - began
        return max(0.0, waited - SWIFT) if came else waited

    def finish(self, seconds: float = math.inf, hurried: Callable[[], bool] = lambda: False) -> None:
        """Waits as long as it gets on, but not longer than `seconds`, trying once more if need be; then ends.

        It ends too, within a moment, when `hurried` says so: the journal has everything. Where the store has not all
        of it by then and no request has failed yet, that it does not answer is the failure.
        """
        with self._changed:
            self._finishing = True
            self._not_before = 0.0
            began, failures = time.monotonic(), self._failures
            self._step_ends = max(self._step_ends, began + STEP_SECONDS)
            self._changed.notify_all()
            while self._pending and not hurried():
                left = min(self._step_ends, began + seconds) - time.monotonic()
                failed = self._failures - failures
                if left <= 0 or failed > 1 or (failed == 1 and time.monotonic() - began > SOON):
                    break
                self._changed.wait(min(left, SOON / 2))
            if self._pending and self.failure is None and not hurried():
                self.failure = UnreachableError("the store lacks the end of the run", "no answer in time")
        self.close()

    def close(self) -> None:
        """Ends the thread after what it is doing; nobody waits for that."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while work := self._wait_for_work():
            try:
                work()
            except TrackingError as error:
                self._failed(error)
            except Exception as error:  # a mistake of ours must not end a training either
                log.warning("the store could not be written to: %s", redacted_traceback(error))
                self._failed(UnreachableError("the store could not be written to", type(error).__name__))

    def _wait_for_work(self) -> Callable[[], None] | None:
        """What to do next, when it is time for it; None at the end."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if now >= self._not_before and (self.replica is None or self._pending):
                    return self._open if self.replica is None else self._bring
                beats = self.replica and self._begin and self.failure is None and not self._finishing
                if beats and now >= self._beat_at:
                    return self._beat
                due = [at for at in (self._not_before, self._beat_at if beats else 0.0) if at > now]
                self._changed.wait(min(due) - now if due else None)
        return None

    def _open(self) -> None:
        replica = self._connect(self._on_step)
        with self._changed:
            self.replica = replica
            self._succeeded()

    def _bring(self) -> None:
        assert self.replica is not None
        assert self._begin is not None
        with self._changed:
            entries = self._pending[:]
        brought = self.replica.bring(facts_of(self._begin, entries, self._folder))
        with self._changed:
            del self._pending[: len(entries)]
            self.refused += brought.refused
            self._succeeded()

    def _beat(self) -> None:
        assert self.replica is not None
        self._beat_at = time.monotonic() + BEAT_SECONDS
        with suppress(TrackingError):  # it lacks nothing by that; what comes next will tell whether it is away
            self.replica.beat()

    def _succeeded(self) -> None:
        self._streak = 0
        if not self._pending:
            self.failure = None
        self._changed.notify_all()

    def _failed(self, error: TrackingError) -> None:
        with self._changed:
            self.failure = error
            self._failures += 1
            pause = SOON / 2 if self._finishing else PAUSES[min(self._streak, len(PAUSES) - 1)]
            self._streak += 1
            self._not_before = time.monotonic() + pause
            self._changed.notify_all()

    def _on_step(self, size: int) -> None:
        with self._changed:
            self._step_ends = time.monotonic() + STEP_SECONDS + size / SLOWEST_UPLOAD
