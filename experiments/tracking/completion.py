"""Completes stores: brings them the runs that they lack, or lack a part of."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from cifar.fields import ConfigError
from experiments.tracking.config import TrackingConfig
from experiments.tracking.credentials import may_go_to
from experiments.tracking.facts import RunFacts
from experiments.tracking.lookup import DeletedRunError
from experiments.tracking.redaction import redact, redacted_traceback
from experiments.tracking.replica import Brought, Replica, lacking
from experiments.tracking.service import TrackingError, UnreachableError, first_line
from experiments.tracking.sources import Source, parents_first
from experiments.tracking.store import Store, database_path, existing_store, is_local, open_store

ATTEMPTS = 3
"""A reply may be lost once; a store that fails so often in a row is down."""

PAUSE = 1.0
"""Seconds between them."""


log = logging.getLogger(__name__)


class WithheldError(TrackingError):
    """Nobody but a journal names the server, and it would get the user's credentials."""


@dataclass
class Summary:
    """What came of it. `problems` and `notes` are lines for a person; only problems leave something to do."""

    complete: int = 0
    new: int = 0
    metrics: int = 0
    metrics_there: int = 0
    artifacts: int = 0
    goes_on: int = 0
    incomplete: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_problem(self, *why: str) -> None:
        """Counts a run that is not complete, and why not."""
        self.incomplete += 1
        self.problems += why


class Completion:
    """Brings runs to stores, one after another.

    Args:
        to: the store for all of them; None: for each the one that it was recorded for.
        dry_run: only look what would be brought.
    """

    def __init__(self, to: str | None, dry_run: bool = False) -> None:
        self.summary = Summary()
        self._to, self._dry_run = to, dry_run
        self._stores: dict[tuple[str, str], Store | None] = {}
        self._known: dict[str, dict[str, str]] = {}
        self._waiting: dict[str, int] = {}

    def bring_all(self, sources: Iterable[Source], on_run: Callable[[Source], None]) -> Summary:
        """Brings them, parents before their children; `on_run` is told of each before it begins."""
        for source in parents_first(list(sources)):
            on_run(source)
            if source.goes_on:
                self.summary.goes_on += 1
                continue
            uri = self._to or source.uri
            if uri in self._waiting:
                self._waiting[uri] += 1
            else:
                self._try(source, uri)
        for uri, runs in self._waiting.items():
            self.summary.incomplete += runs
            self.summary.problems.append(f"{runs} run{'s wait' if runs > 1 else ' waits'} for {redact(uri)}")
        return self.summary

    def _try(self, source: Source, uri: str) -> None:
        try:
            with nullcontext(True) if self._dry_run else source.alone() as alone:
                refused = self._bring(source, uri) if alone else []
            self.summary.goes_on += not alone
        except (UnreachableError, WithheldError) as error:
            self._waiting[uri] = 1
            self.summary.problems.append(str(error))
        except DeletedRunError as error:
            self.summary.notes.append(str(error))
        except (TrackingError, ConfigError) as error:
            self.summary.add_problem(f"{source.name}: {error}")
        except Exception as error:  # a mistake of ours, or what MLflow did not think of: the others go on
            log.warning("%s: %s", source.name, redacted_traceback(error))
            self.summary.add_problem(f"{source.name}: {type(error).__name__}: {first_line(error)}")
        else:
            if refused:
                self.summary.add_problem(*refused)

    def _bring(self, source: Source, uri: str) -> list[str]:
        """Brings a run; returns what its store refused."""
        store = self._store(uri, source)
        facts = source.load()
        if self._dry_run:
            return self._counted(facts, lacking(store, facts))
        assert store is not None
        replica = Replica(store, known=self._known.setdefault(uri, {}))
        return self._counted(facts, _bring_patiently(replica, facts))

    def _store(self, uri: str, source: Source) -> Store | None:
        key = uri, source.experiment
        if key not in self._stores:
            _refuse_unusable(uri, named=self._to is not None)
            if self._to is None and not may_go_to(uri):
                raise WithheldError(
                    f"{redact(uri)}: only a journal names this server, which would get your credentials for MLflow. "
                    f"If it is yours: --to {redact(uri)}"
                )
            config = TrackingConfig(uri=uri, experiment=source.experiment)
            self._stores[key] = existing_store(config) if self._dry_run else open_store(config)
        return self._stores[key]

    def _counted(self, facts: RunFacts, brought: Brought) -> list[str]:
        summary = self.summary
        summary.goes_on += facts.status is None
        summary.complete += brought.complete
        summary.new += brought.created
        summary.metrics += brought.metrics
        summary.metrics_there += brought.metrics_there
        summary.artifacts += brought.artifacts + brought.models
        return brought.refused


def _bring_patiently(replica: Replica, facts: RunFacts) -> Brought:
    for _ in range(ATTEMPTS - 1):
        with suppress(UnreachableError):
            return replica.bring(facts)
        time.sleep(PAUSE)
    return replica.bring(facts)


def _refuse_unusable(uri: str, named: bool) -> None:
    """Refuses what a journal says; `named`: a person named the store, whose folder may be made."""
    if "***" in uri:
        raise TrackingError(f"{uri}: the password of this address was not kept; give the whole address with --to")
    if not named and is_local(uri) and not database_path(uri).parent.is_dir():
        raise TrackingError(f"{uri}: there is no such folder here; name a store with --to")
    if not uri:
        raise TrackingError("its journal does not name a store; name one with --to")
