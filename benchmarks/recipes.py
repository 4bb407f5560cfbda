"""Who trains to an accuracy: each as a command of its own in a new folder, on one seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.processes import Ended, folder_on_the_same_disk, run_to_end

ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}
RESULT = "result.json"


@dataclass(frozen=True)
class Training:
    """What one training came to.

    `training_seconds` go from building the network, tracing and compiling included, to the end of its last epoch;
    `command_seconds` from the start of its process to its exit: imports, images, record and test included.
    """

    training_seconds: float
    command_seconds: float
    test_accuracy: float

    def kept(self) -> dict[str, float]:
        """For the results."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def ours(model: str, seed: int, more: Sequence[str] = ()) -> Training:
    """The recipe `experiment=fast_MODEL`, recorded in MLflow as always; `more` is typed too.

    Raises:
        RuntimeError: the command failed.
    """
    with folder_on_the_same_disk() as folder:
        typed = [f"experiment=fast_{model}", f"seed={seed}", "hydra.run.dir=run", *more]
        uri = {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
        ended = run_to_end("experiments.run", typed, folder, ENVIRONMENT | uri)
        return _training(ended, json.loads(Path(folder, "run", RESULT).read_text(encoding="utf-8"))["metrics"])


def document(model: str, seed: int, more: Sequence[str] = ()) -> Training:
    """The document's recipe `experiment=seed_MODEL` by the script of `plain_document`.

    Raises:
        RuntimeError: the script failed.
    """
    with folder_on_the_same_disk() as folder:
        typed = [RESULT, f"experiment=seed_{model}", f"seed={seed}", *more]
        ended = run_to_end("benchmarks.plain_document", typed, folder, ENVIRONMENT)
        return _training(ended, json.loads(Path(folder, RESULT).read_text(encoding="utf-8")))


def _training(ended: Ended, metrics: dict[str, float]) -> Training:
    return Training(metrics["training_seconds"], ended.seconds, metrics["test_accuracy"])
