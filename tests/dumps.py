"""All that an MLflow store holds, value by value, without the ids and places that differ from store to store."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def dump(client: Any, experiment: str) -> dict[str, dict[str, Any]]:
    """Every value of every run of an MLflow experiment, by the runs' names, without what differs between stores."""
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], max_results=1000) if found else []
    names = sorted(run.info.run_name for run in runs)
    assert len(set(names)) == len(runs), f"two runs of one name: {names}"
    return {run.info.run_name: dump_run(client, run) for run in runs}


def dump_run(client: Any, run: Any) -> dict[str, Any]:
    """Every value of one run; metrics as (name, step, value, time), sorted, so that a doubled one shows."""
    run_id = run.info.run_id
    tags = dict(run.data.tags)
    parent = tags.pop("mlflow.parentRunId", None)
    for name in [name for name in tags if name.startswith("journal.")]:
        del tags[name]
    history = [item for name in run.data.metrics for item in client.get_metric_history(run_id, name)]
    return {
        "status": run.info.status,
        "times": (run.info.start_time, run.info.end_time),
        "params": run.data.params,
        "tags": tags,
        "parent": client.get_run(parent).info.run_name if parent else None,
        "metrics": sorted((item.key, item.step, repr(item.value), item.timestamp) for item in history),
        "latest": {name: repr(value) for name, value in run.data.metrics.items()},
        "inputs": sorted(
            repr((item.dataset.to_dictionary(), dict_of(item.tags))) for item in run.inputs.dataset_inputs
        ),
        "artifacts": {path: content(client, run_id, path) for path in files(client, run_id)},
        "models": sorted(dump_model(client, output) for output in run.outputs.model_outputs),
    }


def dump_model(client: Any, output: Any) -> tuple[object, ...]:
    """A network without the ids that a store gives it."""
    model = client.get_logged_model(output.model_id)
    metrics = sorted((item.key, item.step, repr(item.value), item.timestamp) for item in model.metrics or ())
    found = client.list_logged_model_artifacts(output.model_id)
    names = sorted(item.path for item in found)
    return model.name, output.step, str(model.status), sorted(model.params.items()), metrics, names


def dict_of(tags: Any) -> dict[str, str]:
    return {tag.key: tag.value for tag in tags}


def files(client: Any, run_id: str, folder: str | None = None) -> list[str]:
    """The paths of a run's artifacts, those in folders too."""
    found = client.list_artifacts(run_id, folder)
    deeper = [path for item in found if item.is_dir for path in files(client, run_id, item.path)]
    return sorted([item.path for item in found if not item.is_dir] + deeper)


def content(client: Any, run_id: str, path: str) -> bytes:
    return Path(client.download_artifacts(run_id, path)).read_bytes()
