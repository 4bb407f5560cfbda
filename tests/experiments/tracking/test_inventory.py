from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Metric

from experiments.tracking.facts import Measurement
from experiments.tracking.inventory import Inventory
from experiments.tracking.store import Store


@pytest.fixture
def run(store: Store) -> Any:
    run_id = store.client.create_run(store.experiment_id, tags={"t": "1"}).info.run_id
    metrics = [Metric("loss", 0.1 + 0.2, 5, 1), Metric("broken", math.nan, 5, 1)]
    store.client.log_batch(run_id, metrics=metrics)
    store.client.log_param(run_id, "a", "1")
    store.client.log_text(run_id, "four", "x/a.txt")
    return store.client.get_run(run_id)


def test_a_measurement_is_there_if_name_step_time_and_value_are(store: Store, run: Any) -> None:
    inventory = Inventory(store.client, run, new=False)
    there = [Measurement("loss", 0.30000000000000004, 5, 1), Measurement("broken", None, 5, 1)]
    other = [
        Measurement("loss", 0.3, 5, 1),
        Measurement("loss", 0.30000000000000004, 6, 1),
        Measurement("loss", 0.30000000000000004, 5, 2),
        Measurement("new", 0.30000000000000004, 5, 1),
    ]
    assert inventory.lacking_metrics([*there, *other, other[0]]) == other
    inventory.add(other, {}, {})
    assert inventory.lacking_metrics([*there, *other]) == []


def test_params_tags_and_files_are_compared(store: Store, run: Any, tmp_path: Path) -> None:
    inventory = Inventory(store.client, run, new=False)
    assert inventory.lacking_params({"a": "2", "b": "3"}) == {"b": "3"}
    assert inventory.other_params({"a": "2", "b": "3"}) == {"a": "1"}
    assert inventory.lacking_tags({"t": "1", "u": "2"}) == {"u": "2"}
    assert inventory.lacking_tags({"t": "2"}) == {"t": "2"}
    inventory.add([], {"b": "3"}, {"t": "2"})
    assert inventory.lacking_params({"b": "3"}) == inventory.lacking_tags({"t": "2"}) == {}
    (tmp_path / "a.txt").write_text("four")
    assert not inventory.lacks_file("x/a.txt", tmp_path / "a.txt")
    assert inventory.lacks_file("x/b.txt", tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("longer")
    assert inventory.lacks_file("x/a.txt", tmp_path / "a.txt")


def test_an_earlier_heartbeat_does_not_replace_a_later_one(store: Store, run: Any) -> None:
    inventory = Inventory(store.client, run, new=False)
    early, late = {"heartbeat": "2026-01-01T00:00:00Z", "t": "2"}, {"heartbeat": "2026-01-01T00:01:00Z"}
    assert inventory.lacking_tags(early) == early
    inventory.add([], {}, late)
    assert inventory.lacking_tags(early) == {"t": "2"}


def test_of_a_new_run_nothing_is_read(store: Store, run: Any, tmp_path: Path) -> None:
    inventory = Inventory(None, run, new=True)
    metrics = [Measurement("loss", 0.3, 5, 1)] * 2
    assert inventory.lacking_metrics(metrics) == metrics[:1]
    assert inventory.lacks_file("x/a.txt", tmp_path)
    assert inventory.lacking_inputs([{"name": "a", "digest": "b"}]) == [{"name": "a", "digest": "b"}]
