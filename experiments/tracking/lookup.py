"""Finds a run in a store by its identity: MLflow gives a run another id in every store, and a lost reply hides it."""

from __future__ import annotations

import re
from typing import Any

from experiments.tracking.facts import IDENTITY_TAG, REFERENCE, SEAL_TAG
from experiments.tracking.journal import now
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store

MADE_TAG = "journal.made"
"""The tag that says when a run was made in its store, in milliseconds since 1970; its start may be long before."""

YOUNG_SECONDS = 300.0
"""So long an empty run may still be about to be filled."""

_ACTIVE_AND_DELETED = 3  # mlflow.entities.ViewType.ALL


class DeletedRunError(TrackingError):
    """The run was deleted there, which somebody wanted."""


def find_run(store: Store, identity: str, run_id: str = "", tidy: bool = False) -> Any:
    """MLflow's run of this identity, also a deleted one; None if there is none.

    It is looked for in the store's MLflow experiment, and then in all others: that may have been renamed.

    A reply to `runs/create` that was lost can leave a second, empty run behind; `tidy` deletes it, which only the
    process that writes or brings the run may ask for. One that is young may be in use by a process that has a copy of
    the journal, and is left, unless the run is complete already, or `run_id` tells the one to keep.

    Raises:
        MlflowException and others: see `one_line_errors`.
    """
    if not re.fullmatch(r"[\w-]{1,64}", identity):
        raise TrackingError(f"{identity!r}: is not the identity of a run")
    found = _search(store, [store.experiment_id], identity) or _search(store, _other_experiments(store), identity)
    ranked = sorted(found, key=lambda run: (run.info.run_id == run_id, *_contents(run)), reverse=True)
    settled = bool(run_id) or (bool(ranked) and SEAL_TAG in ranked[0].data.tags)
    for double in ranked[1:] if tidy else ():
        empty = not double.data.metrics and not double.data.params
        if double.info.lifecycle_stage == "active" and empty and (settled or not _is_young(double)):
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


def _search(store: Store, experiments: list[str], identity: str) -> list[Any]:
    tagged = f"tags.`{IDENTITY_TAG}` = '{identity}'"
    return list(store.client.search_runs(experiments, tagged, run_view_type=_ACTIVE_AND_DELETED)) if experiments else []


def _other_experiments(store: Store) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = store.client.search_experiments(page_token=token)
        found += [item.experiment_id for item in page if item.experiment_id != store.experiment_id]
        token = page.token
        if not token:
            return found


def _is_young(run: Any) -> bool:
    made = int(run.data.tags.get(MADE_TAG, run.info.start_time))
    return now() - made < YOUNG_SECONDS * 1000


def _contents(run: Any) -> tuple[bool, int, str]:
    """What tells the run that is in use from an empty double, always in the same order."""
    active = run.info.lifecycle_stage == "active"
    return active, len(run.data.metrics) + len(run.data.params), run.info.run_id
