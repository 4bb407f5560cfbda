"""What a run recorded is loaded again, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cifar.archives import file_sha256
from cifar.proof import DataError
from experiments.tracking.loading import load_recorded_model
from experiments.tracking.model import HASH_TAG
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store

NewRecorder = Callable[..., Recorder]

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def run_id(store: Store, network: Any, new_recorder: NewRecorder) -> str:
    """A finished run with a network."""
    with new_recorder() as recorder:
        recorder.log_model(network, IMAGES[:2])
    return recorder.run_id


def recorded_file(store: Store, run_id: str) -> Path:
    (output,) = store.client.get_run(run_id).outputs.model_outputs
    return Path(store.client.get_logged_model(output.model_id).artifact_location) / "data" / "model.keras"


def test_what_was_recorded_is_loaded_by_its_hash(run_id: str, store: Store, network: Any) -> None:
    assert store.client.get_run(run_id).data.tags[HASH_TAG] == file_sha256(recorded_file(store, run_id))
    np.testing.assert_array_equal(np.asarray(load_recorded_model(store, run_id)(IMAGES)), network(IMAGES))


def test_the_store_of_another_folder_is_read_from_here(
    run_id: str, store: Store, network: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    np.testing.assert_array_equal(np.asarray(load_recorded_model(store, run_id)(IMAGES)), network(IMAGES))


def test_a_file_that_was_exchanged_is_not_loaded(run_id: str, store: Store) -> None:
    file = recorded_file(store, run_id)
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(DataError, match=f"^run {run_id}: model: sha256 .*; it was changed since$"):
        load_recorded_model(store, run_id)


@pytest.mark.parametrize("name", ["python_model.pkl", "model.h5"])
def test_a_model_in_another_form_is_not_loaded_nor_fetched(run_id: str, store: Store, name: str) -> None:
    file = recorded_file(store, run_id)
    file.rename(file.with_name(name))
    with pytest.raises(TrackingError) as caught:
        load_recorded_model(store, run_id)
    assert str(caught.value) == (
        f"run {run_id}: model: recorded as keras_module.txt, {name}; only model.keras is loaded"
    )


def test_a_run_without_a_model_or_without_its_hash_says_so(
    run_id: str, store: Store, new_recorder: NewRecorder
) -> None:
    with new_recorder() as recorder:
        pass
    with pytest.raises(TrackingError, match="model: none was recorded"):
        load_recorded_model(store, recorder.run_id)
    store.client.delete_tag(run_id, HASH_TAG)
    with pytest.raises(TrackingError, match=r"the run has no tag model\.sha256 to check the file by"):
        load_recorded_model(store, run_id)
    with pytest.raises(TrackingError, match=r"^run nobody: model: "):
        load_recorded_model(store, "nobody")
