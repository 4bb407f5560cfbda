"""Which workers of a cluster are there at a moment, and what is said where there is none."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.search.records import SweepError

if TYPE_CHECKING:
    from distributed import Client

ANSWER_SECONDS = 20.0
"""So long a scheduler may take to answer. The connection to one that is frozen, or cut off, breaks much later."""

ALONE_SECONDS = 10.0
"""After so long it is said that trials wait for a cluster that has no worker; one that is replaced is back sooner."""

Present = Mapping[str, Mapping[str, Any]]
"""What Dask tells of each worker, by its address."""

log = logging.getLogger(__name__)


class Attendance:
    """Counts the workers, and says once that there is none, and once that one came.

    Args:
        client: connected.
        count: how many are used at most; None: all.
    """

    def __init__(self, client: Client, count: int | None) -> None:
        self._client, self._count = client, count
        self._seen = 0
        self._alone_since: float | None = None
        self._told = False

    @property
    def capacity(self) -> int:
        """How many trials can run now: those that wait for a worker to be replaced count too."""
        return self._count or max(1, self._seen)

    def look(self) -> Present:
        """The workers that are there now.

        Raises:
            TimeoutError: the scheduler does not answer.
        """
        # Not Client.scheduler_info: every two seconds another thread puts an answer without workers in its place.
        ask = self._client.scheduler.identity
        told: Present = self._client.sync(ask, n_workers=-1, callback_timeout=ANSWER_SECONDS)["workers"]
        return told

    def ready(self, present: Present, is_awaited: bool) -> list[str]:
        """The addresses of those that can train; `is_awaited` tells whether trials wait for one.

        Raises:
            SweepError: no worker has a single thread.
        """
        single = [address for address, told in present.items() if told["nthreads"] == 1]
        if present and not single:
            raise SweepError("the workers have several threads each; start them with --nthreads 1 and more of them")
        self._seen = len(single)
        self._tell_of_waiting(is_awaited)
        return single

    def _tell_of_waiting(self, is_awaited: bool) -> None:
        """Those of this machine come by themselves."""
        if self._seen or not is_awaited or self._client.cluster is not None:
            if self._told and self._seen:
                log.warning("a worker has joined; the sweep goes on")
            self._alone_since, self._told = None, False
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
        elif not self._told and time.monotonic() - self._alone_since > ALONE_SECONDS:
            log.warning(
                "%s has no worker; waiting for one to join (dask worker ... --nthreads 1). Ctrl-C stops the sweep",
                self._client.scheduler.address,
            )
            self._told = True
