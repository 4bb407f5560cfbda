"""Which finished run is equal to one that is about to begin: found by fingerprint, whole, and not cut short."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store
from experiments.tracking.twins import CUT_SHORT_TAG, FINGERPRINT_TAG, MOST_LOOKED_AT, find_twin

pytestmark = pytest.mark.usefixtures("database")

NewRecorder = Callable[..., Recorder]
THREE = range(3, 4)


def epoch(number: int) -> dict[str, float]:
    return {"loss": 2.0 - number / 10, "val_accuracy": number / 10, "seconds": 1.5}


def record(
    new: NewRecorder, epochs: int = 3, fingerprint: str = "abc", tags: dict[str, str] | None = None, **results: float
) -> Recorder:
    """A run that ends well, with some epochs and results."""
    with new(tags={FINGERPRINT_TAG: fingerprint, **(tags or {})}) as recorder:
        for number in range(1, epochs + 1):
            recorder.log_epoch(number, epoch(number))
        recorder.log_metrics(results, step=epochs)
    return recorder


def test_a_finished_run_of_the_same_fingerprint_is_found_with_what_it_came_to(
    store: Store, new_recorder: NewRecorder, project: Path
) -> None:
    made = record(new_recorder, test_accuracy=0.4, best_epoch=3.0)
    twin = find_twin(store, "abc", THREE)
    assert twin is not None
    assert twin.run_id == made.run_id
    assert twin.history == [epoch(1), epoch(2), epoch(3)]
    assert twin.results == {**epoch(3), "test_accuracy": 0.4, "best_epoch": 3.0}
    assert twin.folder == Path("outputs/1")
    assert (project / twin.folder / "journal.jsonl").is_file()


def test_another_fingerprint_finds_nothing(store: Store, new_recorder: NewRecorder) -> None:
    record(new_recorder)
    assert find_twin(store, "abcd", THREE) is None
    assert find_twin(store, "ab", THREE) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_run_that_was_stopped_or_failed_is_no_twin(
    store: Store, new_recorder: NewRecorder, error: type[BaseException]
) -> None:
    with suppress(error), new_recorder(tags={FINGERPRINT_TAG: "abc"}) as recorder:
        for number in (1, 2, 3):
            recorder.log_epoch(number, epoch(number))
        raise error
    assert find_twin(store, "abc", THREE) is None


def test_nor_is_one_that_still_runs(store: Store, new_recorder: NewRecorder) -> None:
    with new_recorder(tags={FINGERPRINT_TAG: "abc"}) as recorder:
        for number in (1, 2, 3):
            recorder.log_epoch(number, epoch(number))
        assert find_twin(store, "abc", THREE) is None


def test_nor_one_that_was_pruned(store: Store, new_recorder: NewRecorder) -> None:
    record(new_recorder, tags={CUT_SHORT_TAG: "below the median"})
    assert find_twin(store, "abc", THREE) is None


def test_nor_one_that_was_deleted(store: Store, new_recorder: NewRecorder) -> None:
    store.client.delete_run(record(new_recorder).run_id)
    assert find_twin(store, "abc", THREE) is None


@pytest.mark.parametrize(("epochs", "found"), [(2, False), (3, True), (4, False)])
def test_nor_one_that_was_trained_longer_or_less_long(
    store: Store, new_recorder: NewRecorder, epochs: int, found: bool
) -> None:
    record(new_recorder, epochs)
    assert (find_twin(store, "abc", THREE) is not None) is found
    assert find_twin(store, "abc", range(1, 5)) is not None, "it may have ended early"


def test_nor_one_that_lacks_an_epoch_or_a_metric_of_one(store: Store, new_recorder: NewRecorder) -> None:
    with new_recorder(tags={FINGERPRINT_TAG: "abc"}) as recorder:
        recorder.log_epoch(1, epoch(1))
        recorder.log_epoch(3, epoch(3))
    with new_recorder(tags={FINGERPRINT_TAG: "abc"}) as recorder:
        for number in (1, 2, 3):
            recorder.log_epoch(number, {name: value for name, value in epoch(number).items() if name != "seconds"})
        recorder.log_metrics({"seconds": 1.5}, step=3)
    assert find_twin(store, "abc", range(1, 4)) is None


def test_it_has_the_metric_that_is_asked_for(store: Store, new_recorder: NewRecorder) -> None:
    record(new_recorder)
    assert find_twin(store, "abc", THREE, having="test_accuracy") is None
    scored = record(new_recorder, test_accuracy=0.4)
    twin = find_twin(store, "abc", THREE, having="test_accuracy")
    assert twin is not None
    assert twin.run_id == scored.run_id


def test_of_several_the_newest_that_can_be_used_is_taken(store: Store, new_recorder: NewRecorder) -> None:
    runs = [record(new_recorder), record(new_recorder)]
    record(new_recorder, tags={CUT_SHORT_TAG: "x"})
    twin = find_twin(store, "abc", THREE)
    assert twin is not None
    assert twin.run_id == runs[1].run_id


def test_only_the_experiment_of_the_store_is_looked_at(store: Store, new_recorder: NewRecorder) -> None:
    from experiments.tracking.config import TrackingConfig

    record(new_recorder)
    with new_recorder(TrackingConfig(experiment="another"), tags={FINGERPRINT_TAG: "xyz"}) as recorder:
        for number in (1, 2, 3):
            recorder.log_epoch(number, epoch(number))
    assert find_twin(store, "xyz", THREE) is None
    assert find_twin(store, "abc", THREE) is not None


def test_no_more_runs_are_looked_at_than_make_sense(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def search(*arguments: object, max_results: int) -> list[object]:
        asked.append(max_results)
        return []

    monkeypatch.setattr(store.client, "search_runs", search)
    assert find_twin(store, "abc", THREE) is None
    assert asked == [MOST_LOOKED_AT]
