"""Where a run is recorded, and under which names."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cifar.fields import ConfigError, Validated, flag, text
from experiments.tracking.redaction import redact

DEFAULT_URI = "sqlite:///mlflow.db"
"""MLflow's own default, so that a plain `mlflow ui` finds the runs."""

DEFAULT_EXPERIMENT = "cifar10"

_ADDRESSES = ("sqlite:///", "http://", "https://", "postgresql", "mysql", "mssql", "databricks")


def check_uri(key: str, uri: str) -> None:
    """Refuses what MLflow cannot record to; `key` is where the user wrote it.

    Raises:
        ConfigError: a folder (MLflow's old file store), a database in memory, or an unknown kind of address.
    """
    if not uri.startswith(_ADDRESSES) or uri in ("sqlite:///", "sqlite:///:memory:"):
        raise ConfigError(
            key,
            redact(uri),
            "the address of a database or a server (sqlite:///mlflow.db, https://host:5000)",
            "MLflow no longer writes to plain folders; artifacts still go to mlruns/",
        )


@dataclass(frozen=True, kw_only=True)
class TrackingConfig(Validated):
    """What the tracker is told; the names are MLflow's own.

    `uri` null means MLflow's default place: `$MLFLOW_TRACKING_URI` if it is set, else `sqlite:///mlflow.db` in the
    working folder, with the artifacts under `mlruns/`. `experiment` null becomes `$MLFLOW_EXPERIMENT_NAME` if it is
    set, else `cifar10`. `run_name` null leaves the name to the command. `note` is shown as the run's description;
    `parent_run_id` shows the run below another one: MLflow's id, or `journal-...` of a run that no store knows yet.
    """

    node = "tracking"
    enabled: bool = flag(True)
    uri: str | None = text(None, optional=True, longest=4096)
    experiment: str = text(None)
    run_name: str | None = text(None, optional=True)
    note: str | None = text(None, optional=True, longest=5000)
    log_model: bool = flag(True)
    parent_run_id: str | None = text(None, optional=True)

    def __post_init__(self) -> None:
        if self.experiment is None:
            object.__setattr__(self, "experiment", os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT)
        super().__post_init__()
        if self.uri is not None:
            check_uri(self.key("uri"), self.uri)
