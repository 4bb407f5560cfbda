"""What the driver asks of whoever runs its trials."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from experiments.search.pruning import Bars
from experiments.search.records import Trial


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know of a trial.

    Attributes:
        trial: its configuration, and in Hyperband where it goes on from.
        bars: when it is to stop early.
        origin: in Hyperband, the trial of the rung below, with the facts of who ran it.
        reuse: whether the result of an equal run may be taken over.
    """

    trial: Trial
    bars: Bars
    origin: Trial | None = None
    reuse: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a worker has to tell of a trial that did not fail.

    Attributes:
        score: the best value of the objective; one that is no finite number makes the trial a failed one.
        curve: the objective after each epoch, those of lower rungs included.
        pruned: why it stopped early, if it did.
        facts: plain values that the sweep keeps with the trial (an MLflow run, a folder).
    """

    score: float
    curve: tuple[float, ...] = ()
    pruned: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class WorkerLostError(Exception):
    """A worker died or hung in the middle of a trial; the trial is not to blame and is tried again. Says how."""


class Workers(Protocol):
    """Runs trials, `capacity` of them at once."""

    @property
    def capacity(self) -> int:
        """How many trials can run now, at least one; may change while the sweep goes on."""

    def submit(self, job: Job) -> Future[Outcome]:
        """Begin a trial. The future raises WorkerLostError, or whatever the trial failed of.

        It can be cancelled as long as no worker has begun the trial.
        """


@dataclass(frozen=True)
class Pool:
    """Workers from an executor of `concurrent.futures`, or from whatever has its interface (a Dask client's)."""

    executor: Executor
    run: Callable[[Job], Outcome]
    capacity: int

    def submit(self, job: Job) -> Future[Outcome]:
        """Hand a trial to the executor."""
        return self.executor.submit(self.run, job)


@dataclass(frozen=True)
class Here:
    """Runs trials in this process, one after another."""

    run: Callable[[Job], Outcome]
    capacity: int = 1

    def submit(self, job: Job) -> Future[Outcome]:
        """Run a trial to its end."""
        future: Future[Outcome] = Future()
        try:
            future.set_result(self.run(job))
        except Exception as error:
            future.set_exception(error)
        return future
