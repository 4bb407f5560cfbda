"""Which servers the user's credentials may go to: MLflow's client sends them to any that it is told to use."""

from __future__ import annotations

import configparser
import os

from experiments.tracking.service import import_mlflow
from experiments.tracking.store import is_local, is_postgres

_VARIABLES = (
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
)


def may_go_to(uri: str) -> bool:
    """Whether a store that only a journal names may be asked: it would get the user's credentials.

    A journal may have come from anywhere. What `$MLFLOW_TRACKING_URI` names, the user named.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI", "")
    return is_local(uri) or uri.rstrip("/") == named.rstrip("/") or not _are_set(uri)


def _are_set(uri: str) -> bool:
    if is_postgres(uri):
        return bool(os.environ.get("PGPASSWORD"))
    import_mlflow()
    from mlflow.utils.credentials import read_mlflow_creds  # the environment's, or those of ~/.mlflow/credentials

    try:
        kept = read_mlflow_creds()
    except configparser.Error:
        return True
    return bool(kept.username or kept.password) or any(os.environ.get(name) for name in _VARIABLES)
