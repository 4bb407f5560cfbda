"""A run's network in MLflow's registry. (What is served from there: tests/experiments/test_promote.py.)"""

from __future__ import annotations

import pytest

from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import read_runs
from experiments.tracking.registry import has_network, register
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store


def test_a_run_without_a_network_cannot_be_registered(store: Store) -> None:
    made = store.client.create_run(store.experiment_id)
    (run,) = read_runs(TrackingConfig())
    assert not has_network(run)
    with pytest.raises(TrackingError, match=f"run {made.info.run_id}: has no network in"):
        register(store, run, {})
    assert store.client.search_registered_models() == []
