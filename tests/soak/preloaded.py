"""What every process of a soak needs, imported once for all."""

from experiments.tracking.service import import_mlflow

import_mlflow()


import alembic.command  # noqa: E402, F401
import mlflow.store.tracking.sqlalchemy_store  # noqa: E402, F401
import sqlalchemy.dialects.sqlite  # noqa: E402, F401

import experiments.tracking.recorder  # noqa: E402, F401
