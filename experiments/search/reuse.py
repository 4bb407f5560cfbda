"""Work that is done already: a finished run that is equal to a trial in all that decides a result."""

from __future__ import annotations

import logging

from cifar.config import RunConfig
from experiments.tracking.service import TrackingError, one_line_errors
from experiments.tracking.store import Store
from experiments.tracking.twins import Twin, find_twin

log = logging.getLogger(__name__)


def twin_of(run: RunConfig, identity: str, store: Store | None, having: str = "val_accuracy") -> Twin | None:
    """A finished run of this fingerprint that has a metric, in the store of a sweep; None where none is known."""
    if store is None:
        return None
    may_end_early = run.training.early_stopping_patience is not None  # not max_minutes: that is the machine's speed
    epochs = range(1 if may_end_early else run.training.epochs, run.training.epochs + 1)
    try:
        with one_line_errors("finished runs cannot be looked for"):
            return find_twin(store, identity, epochs, having)
    except TrackingError as reason:  # then it is trained
        log.warning("%s", reason)
        return None
