from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from cifar.config import RunConfig, TrainingConfig
from experiments.search.reuse import twin_of
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store
from experiments.tracking.twins import FINGERPRINT_TAG

pytestmark = pytest.mark.usefixtures("database")

RUN = RunConfig(training=TrainingConfig(epochs=3))


def record(new: Callable[..., Recorder], epochs: int, fingerprint: str = "abc") -> str:
    """A run that ends well; returns its id."""
    with new(tags={FINGERPRINT_TAG: fingerprint}) as recorder:
        for number in range(1, epochs + 1):
            recorder.log_epoch(number, {"val_accuracy": number / 10})
    return recorder.run_id


def test_a_run_of_as_many_epochs_is_a_twin_and_one_of_fewer_is_not(
    store: Store, new_recorder: Callable[..., Recorder]
) -> None:
    record(new_recorder, 2)
    assert twin_of(RUN, "abc", store) is None
    whole = record(new_recorder, 3)
    twin = twin_of(RUN, "abc", store)
    assert twin is not None
    assert (twin.run_id, twin.history) == (whole, [{"val_accuracy": number / 10} for number in (1, 2, 3)])
    assert twin_of(RUN, "abc", store, having="test_accuracy") is None


def test_one_that_the_clock_cut_short_is_no_twin(store: Store, new_recorder: Callable[..., Recorder]) -> None:
    record(new_recorder, 2)
    assert twin_of(replace(RUN, training=TrainingConfig(epochs=3, max_minutes=9)), "abc", store) is None


def test_where_it_may_end_early_fewer_epochs_will_do_but_not_more(
    store: Store, new_recorder: Callable[..., Recorder]
) -> None:
    run = replace(RUN, training=TrainingConfig(epochs=3, early_stopping_patience=1))
    record(new_recorder, 4)
    assert twin_of(run, "abc", store) is None
    early = record(new_recorder, 2)
    twin = twin_of(run, "abc", store)
    assert twin is not None
    assert twin.run_id == early


def test_without_a_store_there_is_none() -> None:
    assert twin_of(RUN, "abc", None) is None


def test_a_store_that_cannot_be_asked_is_a_line_in_the_log_and_no_twin(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: Any, **named: Any) -> None:
        raise MlflowException("the server is away")

    monkeypatch.setattr(store.client, "search_runs", fail)
    with caplog.at_level(logging.WARNING, "experiments"):
        assert twin_of(RUN, "abc", store) is None
    assert "finished runs cannot be looked for" in caplog.text
    assert "the server is away" in caplog.text


def test_a_run_of_another_folder_says_where_that_is(store: Store, new_recorder: Callable[..., Recorder]) -> None:
    record(new_recorder, 3)
    twin = twin_of(RUN, "abc", store)
    assert twin is not None
    assert twin.folder == Path("outputs/1")
