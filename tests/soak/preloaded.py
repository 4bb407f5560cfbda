"""What every process of a soak needs, imported once for all."""

from experiments.tracking.service import import_mlflow

import_mlflow()


import experiments.tracking.recorder  # noqa: E402, F401
