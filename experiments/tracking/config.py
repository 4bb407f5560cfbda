"""Where a run is recorded, and under which names."""

from __future__ import annotations

from dataclasses import dataclass

from cifar.config import Validated, flag, text


@dataclass(frozen=True, kw_only=True)
class TrackingConfig(Validated):
    """What the tracker is told; the names are MLflow's own.

    `uri` null means MLflow's default place: `$MLFLOW_TRACKING_URI` if it is set, else `sqlite:///mlflow.db` in the
    working folder, with the artifacts under `mlruns/`. `run_name` null leaves the name to the command. `note` is shown
    as the run's description; `parent_run_id` shows the run below another one.
    """

    node = "tracking"
    enabled: bool = flag(True)
    uri: str | None = text(None, optional=True, longest=4096)
    experiment: str = text("cifar10")
    run_name: str | None = text(None, optional=True)
    note: str | None = text(None, optional=True, longest=5000)
    log_model: bool = flag(True)
    parent_run_id: str | None = text(None, optional=True)
