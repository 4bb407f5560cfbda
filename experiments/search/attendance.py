"""Which workers of a cluster are there at a moment, and what is said where there is none."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.search.records import SweepError

if TYPE_CHECKING:
    from distributed import Client, SpecCluster

ANSWER_SECONDS = 20.0
"""So long a scheduler may take to answer. The connection to one that is frozen, or cut off, breaks much later."""

ALONE_SECONDS = 10.0
"""After so long it is said that trials wait for a cluster that has no worker; one that is replaced is back sooner."""

COMING_SECONDS = 60.0
"""And that those of this machine, which are started again by themselves, have not come."""

AGAIN_SECONDS = 5.0
"""So often it is tried to start processes of this machine anew that did not come up."""

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
        self._again_at = 0.0

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
        if self._client.cluster is not None and time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + AGAIN_SECONDS
            _start_again(self._client.cluster)
        return single

    def _tell_of_waiting(self, is_awaited: bool) -> None:
        if self._seen >= self._expected:
            if self._told:
                log.warning("a worker has joined; the sweep goes on")
            self._alone_since, self._told = None, False
        elif not is_awaited:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
        elif not self._told and time.monotonic() - self._alone_since > self._patience:
            log.warning("%s. Ctrl-C stops the sweep", self._waiting_for)
            self._told = True

    @property
    def _expected(self) -> int:
        """How many workers there have to be; a cluster of the user's may have as many as it likes."""
        return 1 if self._client.cluster is None else self._count or 1

    @property
    def _patience(self) -> float:
        return ALONE_SECONDS if self._client.cluster is None else COMING_SECONDS

    @property
    def _waiting_for(self) -> str:
        if self._client.cluster is None:
            address = self._client.scheduler.address
            return f"{address} has no worker; waiting for one to join (dask worker ... --nthreads 1)"
        return (
            f"{self._seen} of {self._count} worker processes are up, for {COMING_SECONDS:g} s now, though the others "
            "are started again and again: memory or processes may have run out (python -m experiments.doctor); try "
            "workers.count=1"
        )


def _start_again(cluster: SpecCluster) -> None:
    """Start processes of this machine anew that died while they came up: Dask starts only those again that were up."""
    from distributed.core import Status

    def start() -> None:
        for number, nanny in [*cluster.workers.items()]:
            if nanny.status in (Status.closed, Status.failed):
                del cluster.workers[number]
        if len(cluster.workers) < len(cluster.worker_spec):
            cluster.scale(len(cluster.worker_spec))

    cluster.loop.add_callback(start)
