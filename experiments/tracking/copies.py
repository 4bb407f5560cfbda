"""Reads runs out of a store, as a journal would tell them, so that they can be brought to another one."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from experiments.tracking.bounds import leads_into
from experiments.tracking.dataset import as_told
from experiments.tracking.facts import IDENTITY_TAG, SEAL_TAG, Measurement, ModelFacts, RunFacts
from experiments.tracking.lookup import MADE_TAG, get_run, identity_of
from experiments.tracking.model import MODEL_TAG
from experiments.tracking.replica import PARENT_TAG
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store

GOES_ON = ("RUNNING", "SCHEDULED")


def facts_of_run(store: Store, run: Any) -> RunFacts:
    """All that a store knows of MLflow's run but its files and networks."""
    tags = dict(run.data.tags)
    parent = tags.pop(PARENT_TAG, None)
    above = get_run(store, parent) if parent else None
    for name in (IDENTITY_TAG, MADE_TAG, "mlflow.runName"):
        tags.pop(name, None)
    ended = run.info.status not in GOES_ON
    facts = RunFacts(
        identity=identity_of(run),
        experiment=store.client.get_experiment(run.info.experiment_id).name,
        name=run.info.run_name,
        began=run.info.start_time,
        parent=identity_of(above) if above else parent,
        params=dict(run.data.params),
        tags={name: value for name, value in tags.items() if not name.startswith(SEAL_TAG)},
        inputs=[as_told(item) for item in run.inputs.dataset_inputs],
        status=run.info.status if ended else None,
        ended=run.info.end_time or 0,
        seal_tag=SEAL_TAG,
        seal=tags.get(SEAL_TAG, str(run.info.end_time)),
    )
    for name in run.data.metrics:
        history = store.client.get_metric_history(run.info.run_id, name)
        facts.metrics += [Measurement.of(item.key, item.value, item.timestamp, item.step) for item in history]
    return facts


def models_of(client: Any, run: Any, home: Path) -> Iterator[ModelFacts]:
    """The networks of MLflow's run that are ready; their files are looked for below `home`, the database's folder."""
    steps = {output.model_id: output.step for output in (run.outputs.model_outputs if run.outputs else [])}
    for model_id, step in sorted(steps.items(), key=itemgetter(1)):  # MLflow loads the one that was made last
        model = client.get_logged_model(model_id)
        if str(model.status) != "READY":
            continue
        yield ModelFacts(
            key=model.tags.get(MODEL_TAG, f":{model_id}").rpartition(":")[2],
            folder=own_path(model.artifact_location, home),
            name=model.name,
            step=step,
            model_type=model.model_type,
            tags={name: value for name, value in model.tags.items() if name != MODEL_TAG},
            params=model.params,
            metrics=[
                (
                    Measurement.of(item.key, item.value, item.timestamp, item.step),
                    item.dataset_name,
                    item.dataset_digest,
                )
                for item in model.metrics or ()
            ],
        )


def own_path(location: str, home: Path) -> Path:
    """The same of what may be sent elsewhere: a database that was copied here could name any folder of this machine.

    Raises:
        TrackingError: the place is outside the database's folder, or on another machine.
    """
    path = local_path(location, home)
    if path.exists() and not leads_into(path, home):
        raise TrackingError(
            f"{path}: lies outside {home}, the folder of the database, and is not sent. Bring it there, and name its "
            "new place in the database"
        )
    return path


def local_path(location: str, home: Path) -> Path:
    """Where a store of this machine keeps files; relative locations are meant from the database's folder.

    Raises:
        TrackingError: they are on another machine.
    """
    kind, _, path, *_ = urlsplit(location)
    if kind == "file":
        return Path(unquote(path))
    if kind:
        raise TrackingError(f"{location}: only files of this machine can be copied")
    return home / location
