"""A run in an MLflow store, filled with what is known of it; what is there already is not written again."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Any

from experiments.tracking.dataset import as_input
from experiments.tracking.facts import ERROR_TAG, IDENTITY_TAG, RESUMES_TAG, Measurement, RunFacts
from experiments.tracking.inventory import Inventory
from experiments.tracking.journal import now
from experiments.tracking.life import HEARTBEAT_TAG, heartbeat
from experiments.tracking.lookup import MADE_TAG, DeletedRunError, find_run, get_run
from experiments.tracking.model import bring_model
from experiments.tracking.redaction import redacted_traceback
from experiments.tracking.service import TrackingError, UnreachableError, first_line, one_line_errors
from experiments.tracking.store import Store

PARENT_TAG = "mlflow.parentRunId"
log = logging.getLogger(__name__)

ROOM = {"metrics": 800, "params": 50, "tags": 50}
"""How many of each go into one request; MLflow takes 1000 in all, and a megabyte."""


@dataclass
class Brought:
    """What `Replica.bring` did. `refused`: what the store will not have, a line each."""

    created: bool = False
    metrics: int = 0
    metrics_there: int = 0
    artifacts: int = 0
    models: int = 0
    refused: list[str] = field(default_factory=list)
    complete: bool = False


class Replica:
    """One run in one store.

    Whatever `bring` is given may have been brought before, wholly or in part, by this process or another: a reply
    that was lost leaves it open. So a run is found by the tag of its identity, and after any failure what the store
    has is read before more is written. Only a `fresh` run, which no process ever tried to bring, spares the reading.

    Args:
        store: where to.
        fresh: the run cannot be there yet.
        on_step: told before each request how many bytes of files it sends.
        known: MLflow's ids in this store by identity, to find parents by; this run is added to it.
    """

    def __init__(
        self,
        store: Store,
        fresh: bool = False,
        on_step: Callable[[int], None] = lambda size: None,
        known: dict[str, str] | None = None,
    ) -> None:
        self.store = store
        self.run: Any = None
        self._fresh = fresh
        self._on_step = on_step
        self._known = {} if known is None else known
        self._inventory: Inventory | None = None
        self._told: set[str] = set()  # what comes again is another content
        self._resumes = 0
        self._may_be_double = self._refused = False

    def bring(self, facts: RunFacts) -> Brought:
        """Writes what the store lacks of `facts`.

        Raises:
            UnreachableError: the store does not answer; call again later with the same facts and what came after.
            TrackingError: the store will not have this run at all.
        """
        brought = Brought()
        try:
            inventory = self._inventory = self._inventory or self._enter(facts, brought)
            if not _is_sealed(facts, inventory):
                self._bring_all(facts, inventory, brought)
            else:
                brought.metrics_there, brought.complete = len(facts.metrics), True
        except BaseException:
            self._may_be_double |= self.run is None
            self._fresh, self._inventory = False, None
            raise
        finally:
            self._refused |= bool(brought.refused)
        return brought

    def beat(self) -> None:
        """Writes that the run goes on at this moment.

        Raises:
            TrackingError: the store does not take it.
        """
        with self._step("the heartbeat is not recorded"):
            self.store.client.set_tag(self.run.info.run_id, HEARTBEAT_TAG, heartbeat())

    def _bring_all(self, facts: RunFacts, inventory: Inventory, brought: Brought) -> None:
        self._bring_values(facts, inventory, brought)
        self._bring_inputs(facts, inventory, brought)
        self._bring_artifacts(facts, inventory, brought)
        self._bring_models(facts, brought)
        brought.refused += facts.left_out
        self._adopt(facts, inventory, brought)
        if facts.status is not None:
            self._close(facts, inventory)
            self._seal(facts, brought)

    def _enter(self, facts: RunFacts, brought: Brought) -> Inventory:
        """Finds the run or creates it."""
        with self._step(f"run {facts.name}: cannot be found"):
            run = None if self._fresh else self._find(facts)
        brought.created = run is None
        if run is None:
            run = self._create(facts)
        elif run.info.lifecycle_stage == "deleted":
            raise _deleted(facts, run, self.store)
        elif facts.status is None and run.info.status != "RUNNING":
            with self._step(f"run {facts.name}: cannot be opened again"):
                self.store.client.update_run(run.info.run_id, status="RUNNING")
                if ERROR_TAG in run.data.tags and ERROR_TAG not in facts.tags:  # the journal's disk was full
                    self.store.client.delete_tag(run.info.run_id, ERROR_TAG)
        self.run = run
        self._known[facts.identity] = run.info.run_id
        return Inventory(self.store.client, run, new=brought.created)

    def _find(self, facts: RunFacts) -> Any:
        run_id = self.run.info.run_id if self.run is not None else facts.run_id
        return (get_run(self.store, run_id) if run_id else None) or find_run(self.store, facts.identity, tidy=True)

    def _create(self, facts: RunFacts) -> Any:
        parent = self._parent(facts)
        tags = {IDENTITY_TAG: facts.identity, MADE_TAG: str(now())} | ({PARENT_TAG: parent} if parent else {})
        tags |= facts.tags
        with self._step("the run cannot be recorded"):
            return self.store.client.create_run(
                self.store.experiment_id,
                start_time=facts.began,
                tags=dict(list(tags.items())[: ROOM["tags"]]),  # all of them follow with the params
                run_name=facts.name,
            )

    def _bring_values(self, facts: RunFacts, inventory: Inventory, brought: Brought) -> None:
        for name, value in inventory.other_params(facts.params).items():
            brought.refused.append(f"{facts.name}: param {name} is {value} there, not {facts.params[name]}")
        tags = facts.tags | {IDENTITY_TAG: facts.identity}
        self._resumes = _resumes(facts.tags) or self._resumes
        with self._step(f"run {facts.name}: its metrics cannot be read"):
            metrics = inventory.lacking_metrics(facts.metrics)
        brought.metrics_there += len(facts.metrics) - len(metrics)
        for request in _requests(metrics, inventory.lacking_params(facts.params), inventory.lacking_tags(tags)):
            with self._noting(brought, f"run {facts.name}: log_batch failed"):
                self._log_batch(*request)
                inventory.add(*request)
                brought.metrics += len(request[0])

    def _log_batch(self, metrics: Sequence[Measurement], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self.store.client.log_batch(
            self.run.info.run_id,
            metrics=[Metric(name, math.nan if value is None else value, at, step) for name, value, at, step in metrics],
            params=[Param(name, value) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def _bring_inputs(self, facts: RunFacts, inventory: Inventory, brought: Brought) -> None:
        if inputs := inventory.lacking_inputs(facts.inputs):
            with self._noting(brought, f"run {facts.name}: log_inputs failed"):
                self.store.client.log_inputs(self.run.info.run_id, [as_input(told) for told in inputs])

    def _bring_artifacts(self, facts: RunFacts, inventory: Inventory, brought: Brought) -> None:
        for name, file in facts.artifacts.items():
            size = file.stat().st_size if file.is_file() else 0
            with self._noting(brought, f"run {facts.name}: artifact {name} is not recorded", size):
                again = file.is_file() and (name in facts.rewritten or name in self._told)
                if again or inventory.lacks_file(name, file):
                    folder = str(PurePosixPath(name).parent)
                    self.store.client.log_artifact(self.run.info.run_id, str(file), None if folder == "." else folder)
                    brought.artifacts += 1
                self._told.add(name)

    def _bring_models(self, facts: RunFacts, brought: Brought) -> None:
        for model in facts.models:
            with self._noting(brought, f"run {facts.name}: the model is not recorded"):
                brought.models += bring_model(self.store, self.run, model, facts.identity, self._on_step)

    def _adopt(self, facts: RunFacts, inventory: Inventory, brought: Brought) -> None:
        """Shows the run below its parent, which may have come to the store after it."""
        if facts.parent is None or inventory.tags.get(PARENT_TAG, "") == self._known.get(facts.parent):
            return
        if parent := self._parent(facts):
            with self._step(f"run {facts.name}: its parent is not recorded"):
                self.store.client.set_tag(self.run.info.run_id, PARENT_TAG, parent)
            inventory.tags[PARENT_TAG] = parent
        elif facts.status is not None:
            brought.refused.append(f"{facts.name}: the run above it, {facts.parent}, is not in {self.store}")

    def _parent(self, facts: RunFacts) -> str | None:
        """MLflow's id of the run above; None if there is none, or the store does not know it yet."""
        if facts.parent is not None and facts.parent not in self._known:
            with self._step(f"run {facts.parent}: cannot be found"):
                above = find_run(self.store, facts.parent) or get_run(self.store, facts.parent)
            if above is not None:
                self._known[facts.parent] = above.info.run_id
        return self._known.get(facts.parent or "")

    def _close(self, facts: RunFacts, inventory: Inventory) -> None:
        """The end, unless it is only assumed and the store has a later one, or another process took the run up."""
        if self._may_be_double:
            with self._step(f"run {facts.name}: a double cannot be deleted"):
                find_run(self.store, facts.identity, self.run.info.run_id, tidy=True)
        later = facts.assumed and (inventory.run.info.end_time or 0) > facts.ended
        if later or _resumes(inventory.tags) > self._resumes:
            return
        with self._step(f"run {facts.name}: set_terminated failed"):
            self.store.client.set_terminated(self.run.info.run_id, facts.status, facts.ended)

    def _seal(self, facts: RunFacts, brought: Brought) -> None:
        """Marks a run that the store has all of: nobody has to compare it again."""
        if facts.unknown:
            kinds = ", ".join(sorted(facts.unknown))
            brought.refused.append(f"{facts.name}: a newer version wrote its journal; not understood: {kinds}")
        if brought.refused or self._refused:
            return
        with self._step(f"run {facts.name}: set_tag failed"):
            self.store.client.set_tag(self.run.info.run_id, facts.seal_tag, facts.seal)
        brought.complete = True

    @contextmanager
    def _step(self, doing: str, size: int = 0) -> Iterator[None]:
        self._on_step(size)
        with one_line_errors(doing):
            yield

    @contextmanager
    def _noting(self, brought: Brought, doing: str, size: int = 0) -> Iterator[None]:
        """What the store refuses for good is noted, and the rest goes on."""
        try:
            with self._step(doing, size):
                yield
        except UnreachableError:
            raise
        except TrackingError as error:
            brought.refused.append(str(error))
        except Exception as error:  # one thing that MLflow cannot take must not keep back what follows
            log.warning("%s: %s", doing, redacted_traceback(error))
            brought.refused.append(f"{doing}: {type(error).__name__}: {first_line(error)}")


def lacking(store: Store | None, facts: RunFacts) -> Brought:
    """What `Replica.bring` would do, as far as reading tells; None is a store that has nothing.

    Raises:
        UnreachableError: the store does not answer.
        DeletedRunError: the run was deleted there.
    """
    with one_line_errors(f"run {facts.name}: cannot be found"):
        run = find_run(store, facts.identity) if store is not None else None
        if store is None or run is None:
            files = len(facts.artifacts) + len(facts.models)
            return Brought(created=True, metrics=len(set(facts.metrics)), artifacts=files)
        if run.info.lifecycle_stage == "deleted":
            raise _deleted(facts, run, store)
        inventory = Inventory(store.client, run, new=False)
        if _is_sealed(facts, inventory):
            return Brought(metrics_there=len(facts.metrics), complete=True)
        metrics = inventory.lacking_metrics(facts.metrics)
        files = sum(inventory.lacks_file(name, file) for name, file in facts.artifacts.items())
    return Brought(metrics=len(metrics), metrics_there=len(facts.metrics) - len(metrics), artifacts=files)


def _resumes(tags: Mapping[str, str]) -> int:
    """How often a run was taken up again; a person may have written anything into the tag."""
    try:
        return int(tags.get(RESUMES_TAG, 0))
    except ValueError:
        return 0


def _is_sealed(facts: RunFacts, inventory: Inventory) -> bool:
    return facts.status is not None and inventory.tags.get(facts.seal_tag) == facts.seal


def _deleted(facts: RunFacts, run: Any, store: Store) -> DeletedRunError:
    return DeletedRunError(f"{facts.name}: run {run.info.run_id} was deleted in {store} and is left so")


def _requests(
    metrics: Sequence[Measurement], params: Mapping[str, str], tags: Mapping[str, str]
) -> Iterator[tuple[list[Measurement], dict[str, str], dict[str, str]]]:
    """All of it in as few requests as MLflow takes."""
    cut = [
        [values[start : start + ROOM[kind]] for start in range(0, len(values), ROOM[kind])]
        for kind, values in (("metrics", [*metrics]), ("params", [*params.items()]), ("tags", [*tags.items()]))
    ]
    some: Any
    for some in zip_longest(*cut, fillvalue=()):
        yield list(some[0]), dict(some[1]), dict(some[2])
