"""Finds a run in a store by its identity: MLflow gives a run another id in every store, and a lost reply hides it."""

from __future__ import annotations

import re
from typing import Any

from experiments.tracking.facts import IDENTITY_TAG, REFERENCE
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store

_ACTIVE_AND_DELETED = 3  # mlflow.entities.ViewType.ALL


class DeletedRunError(TrackingError):
    """The run was deleted there, which somebody wanted."""


def find_run(store: Store, identity: str, run_id: str = "", tidy: bool = True) -> Any:
    """MLflow's run of this identity, also a deleted one; None if there is none.

    A reply to `runs/create` that was lost can leave a second, empty run behind; `tidy` deletes it. `run_id` is the one
    to keep, if that is known.

    Raises:
        MlflowException and others: see `one_line_errors`.
    """
    if not re.fullmatch(r"[\w-]{1,64}", identity):
        raise TrackingError(f"{identity!r}: is not the identity of a run")
    found = store.client.search_runs(
        [store.experiment_id], f"tags.`{IDENTITY_TAG}` = '{identity}'", run_view_type=_ACTIVE_AND_DELETED
    )
    ranked = sorted(found, key=lambda run: (run.info.run_id == run_id, *_contents(run)), reverse=True)
    for double in ranked[1:] if tidy else ():
        if double.info.lifecycle_stage == "active" and not double.data.metrics and not double.data.params:
            store.client.delete_run(double.info.run_id)
    return ranked[0] if ranked else None


def get_run(store: Store, run_id: str) -> Any:
    """MLflow's run of this id; None if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def find_by_reference(store: Store, reference: str) -> Any:
    """MLflow's run of an id, or of a reference to a journal.

    Raises:
        TrackingError: there is none, or it was deleted.
    """
    known = get_run(store, reference) if not reference.startswith(REFERENCE) else None
    run = known or find_run(store, reference.removeprefix(REFERENCE))
    if run is None:
        raise TrackingError(f"run {reference}: is not in {store}")
    if run.info.lifecycle_stage == "deleted":
        raise DeletedRunError(
            f"run {reference}: was deleted. Restore it first: mlflow runs restore --run-id {run.info.run_id}"
        )
    return run


def identity_of(run: Any) -> str:
    """The identity of MLflow's run: that of its journal, or for a run without one MLflow's own id."""
    return str(run.data.tags.get(IDENTITY_TAG, run.info.run_id))


def _contents(run: Any) -> tuple[bool, int, str]:
    """What tells the run that is in use from an empty double, always in the same order."""
    active = run.info.lifecycle_stage == "active"
    return active, len(run.data.metrics) + len(run.data.params), run.info.run_id
