"""What every process of a soak needs, imported once for all."""

from experiments.tracking.service import import_mlflow

import_mlflow()

import mlflow.store.tracking.rest_store  # noqa: E402
import mlflow.store.tracking.sqlalchemy_store  # noqa: E402

import experiments.tracking.recorder  # noqa: E402, F401
