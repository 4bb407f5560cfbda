from __future__ import annotations

import json

import numpy as np
import pytest

from experiments.tracking.dataset import as_input, as_told, describe


class Unreadable(np.ndarray):
    """Images that may not be looked at: only their shape and type are known."""

    def __getitem__(self, key: object) -> object:
        raise AssertionError("the values were read")


@pytest.mark.parametrize(
    ("source", "kind", "kept"),
    [
        ("https://host/cifar.tar.gz", "http", {"url": "https://host/cifar.tar.gz"}),
        ("/data/cifar-10", "local", {"uri": "/data/cifar-10"}),
    ],
)
def test_it_says_what_mlflow_says_of_such_arrays_without_reading_them(
    source: str, kind: str, kept: dict[str, str]
) -> None:
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.data.numpy_dataset import NumpyDataset

    images = np.zeros((7, 32, 32, 3), np.uint8)
    labels = np.zeros(7, np.uint8)
    theirs = NumpyDataset(images, HTTPDatasetSource("https://host"), labels, name="cifar10", digest="d1").to_dict()
    told = describe(images.view(Unreadable), labels.view(Unreadable), "d1", source, "cifar10", "train")
    ours = as_input(json.loads(json.dumps(told)))
    assert as_told(ours) == told
    assert json.loads(ours.dataset.schema) == json.loads(theirs["schema"])
    assert json.loads(ours.dataset.profile) == json.loads(theirs["profile"])
    assert (ours.dataset.name, ours.dataset.digest) == ("cifar10", "d1")
    assert (ours.dataset.source_type, json.loads(ours.dataset.source)) == (kind, kept)
    assert [(tag.key, tag.value) for tag in ours.tags] == [("mlflow.data.context", "train")]
