"""A data set as MLflow shows it: name, digest, source, and the shape of its tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


INPUT_FACTS = ("name", "digest", "source_type", "source", "schema", "profile")
"""What a journal keeps of a data set, beside its tags."""


def describe(
    images: np.ndarray, labels: np.ndarray, digest: str, source: str, name: str, context: str
) -> dict[str, Any]:
    """These arrays as MLflow knows data sets. Only shapes and types are read, never the values."""
    remote = source.startswith(("http://", "https://"))
    return {
        "name": name,
        "digest": digest,
        "source_type": "http" if remote else "local",
        "source": json.dumps({"url" if remote else "uri": source}),
        "schema": json.dumps({"mlflow_tensorspec": {"features": _tensors(images), "targets": _tensors(labels)}}),
        "profile": json.dumps({**_profile("features", images), **_profile("targets", labels)}),
        "tags": {"mlflow.data.context": context},
    }


def as_input(told: Mapping[str, Any]) -> Any:
    """MLflow's DatasetInput of what `describe` or `as_told` gave, or a journal kept."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(**{fact: told[fact] for fact in INPUT_FACTS})
    return DatasetInput(dataset=dataset, tags=[InputTag(key, value) for key, value in told["tags"].items()])


def as_told(item: Any) -> dict[str, Any]:
    """The opposite: a DatasetInput of MLflow's as it would stand in a journal."""
    told = {fact: getattr(item.dataset, fact) for fact in INPUT_FACTS}
    return {**told, "tags": {tag.key: tag.value for tag in item.tags}}


def _tensors(array: np.ndarray) -> str:
    from mlflow.types import Schema, TensorSpec

    text: str = Schema([TensorSpec(array.dtype, (-1, *array.shape[1:]))]).to_json()
    return text


def _profile(part: str, array: np.ndarray) -> dict[str, Any]:
    return {f"{part}_shape": array.shape, f"{part}_size": array.size, f"{part}_nbytes": array.nbytes}
