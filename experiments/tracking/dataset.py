"""A data set as MLflow shows it: name, digest, source, and the shape of its tensors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def dataset_input(images: np.ndarray, labels: np.ndarray, digest: str, source: str, name: str, context: str) -> Any:
    """MLflow's DatasetInput of these arrays. Only shapes and types are read, never the values."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    remote = source.startswith(("http://", "https://"))
    dataset = Dataset(
        name=name,
        digest=digest,
        source_type="http" if remote else "local",
        source=json.dumps({"url" if remote else "uri": source}),
        schema=json.dumps({"mlflow_tensorspec": {"features": _tensors(images), "targets": _tensors(labels)}}),
        profile=json.dumps({**_profile("features", images), **_profile("targets", labels)}),
    )
    return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", context)])


def _tensors(array: np.ndarray) -> str:
    from mlflow.types import Schema, TensorSpec

    text: str = Schema([TensorSpec(array.dtype, (-1, *array.shape[1:]))]).to_json()
    return text


def _profile(part: str, array: np.ndarray) -> dict[str, Any]:
    return {f"{part}_shape": array.shape, f"{part}_size": array.size, f"{part}_nbytes": array.nbytes}
