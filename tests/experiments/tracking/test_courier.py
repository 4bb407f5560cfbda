"""The thread between a training and its store: when it waits, when it does not, when it tries again."""

from __future__ import annotations

import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from experiments.sync import main as sync
from experiments.tracking import courier, session
from experiments.tracking import database as tracking_database
from experiments.tracking.courier import Courier
from experiments.tracking.facts import RunFacts
from experiments.tracking.journal import Entry
from experiments.tracking.recorder import Recorder
from experiments.tracking.replica import Brought
from experiments.tracking.service import TrackingError, UnreachableError
from experiments.tracking.store import Store

NewRecorder = Callable[..., Recorder]
BEGIN = Entry(1, 1, "begin", {"id": "i", "name": "n", "experiment": "e"})
AWAY = UnreachableError("the store", "away")


def metric(number: int) -> Entry:
    return Entry(number, number, "metrics", {"values": [["loss", 1.0, number, number]]})


class FakeReplica:
    """Takes what it is brought, after `seconds`, unless there is an error to raise first."""

    beats, deaf = 0, False

    def __init__(self, *errors: Exception, seconds: float = 0.0) -> None:
        self.errors, self.seconds = list(errors), seconds
        self.brought: list[list[int]] = []
        self.attempts: list[float] = []

    def beat(self) -> None:
        self.beats += 1
        if self.deaf:
            raise AWAY

    def bring(self, facts: RunFacts) -> Brought:
        self.attempts.append(time.monotonic())
        time.sleep(self.seconds)
        if self.errors:
            raise self.errors.pop(0)
        self.brought.append([item.step for item in facts.metrics])
        return Brought()


def started(replica: FakeReplica, *opening: Exception) -> Courier:
    errors = list(opening)

    def connect(on_step: Callable[[int], None]) -> Any:
        if errors:
            raise errors.pop(0)
        return replica

    courier = Courier(connect, Path())
    courier.start(5)
    return courier


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "PAUSES", (0.2, 0.4))
    monkeypatch.setattr(courier, "STEP_SECONDS", 1.0)


def test_what_is_posted_comes_once_and_in_order(quick: None) -> None:
    replica = FakeReplica()
    courier = started(replica)
    courier.post([BEGIN])
    for number in range(2, 50):
        courier.post([metric(number)])
    assert courier.keep_in_step(5) == 0
    assert courier.in_step
    assert [step for steps in replica.brought for step in steps] == list(range(2, 50))
    courier.finish()


def test_what_fails_comes_again_with_what_came_after_it_once_the_pause_is_over(quick: None) -> None:
    replica = FakeReplica(AWAY, AWAY)
    courier = started(replica)
    courier.post([BEGIN, metric(2)])
    courier.keep_in_step(5)
    assert courier.failure is AWAY
    courier.post([metric(3)])
    assert not courier.in_step
    time.sleep(0.8)
    assert replica.brought == [[2, 3]]
    assert courier.failure is None
    pauses = [after - before for before, after in zip(replica.attempts, replica.attempts[1:], strict=False)]
    assert pauses == [pytest.approx(0.2, abs=0.1), pytest.approx(0.4, abs=0.1)]
    courier.finish()


def test_a_run_says_that_it_goes_on_from_its_beginning_to_its_end(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "BEAT_SECONDS", 0.1)
    replica = FakeReplica()
    one = started(replica)
    time.sleep(0.3)
    assert replica.beats == 0, "there is no run yet"
    one.post([BEGIN])
    time.sleep(0.55)
    assert 3 <= replica.beats <= 6
    one.finish()
    time.sleep(0.2)
    beats = replica.beats
    time.sleep(0.3)
    assert replica.beats == beats


def test_a_heartbeat_that_a_store_does_not_take_is_no_failure(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "BEAT_SECONDS", 0.1)
    replica = FakeReplica()
    replica.deaf = True
    one = started(replica)
    one.post([BEGIN])
    time.sleep(0.5)
    assert replica.beats >= 2
    assert (one.failure, one.in_step) == (None, True)
    one.post([metric(2)])
    assert one.keep_in_step(5) == 0
    assert one.in_step
    one.finish()


def test_a_store_that_is_away_is_not_asked_for_the_sake_of_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "PAUSES", (60.0,))
    monkeypatch.setattr(courier, "BEAT_SECONDS", 0.1)
    replica = FakeReplica(AWAY)
    one = started(replica)
    one.post([BEGIN])
    time.sleep(0.5)
    assert (replica.beats, len(replica.attempts)) == (0, 1)
    one.close()


def test_nobody_waits_for_a_store_that_fails(quick: None) -> None:
    courier = started(FakeReplica(*[AWAY] * 50))
    courier.post([BEGIN])
    courier.keep_in_step(5)
    began = time.monotonic()
    assert courier.keep_in_step(5) == 0
    assert time.monotonic() - began < 0.1
    courier.finish()


def test_waiting_for_a_store_that_takes_long_each_time_counts(quick: None) -> None:
    courier = started(FakeReplica(seconds=0.9))
    courier.post([BEGIN])
    assert courier.keep_in_step(5) == pytest.approx(0.4, abs=0.2)
    assert courier.in_step
    courier.finish()


def test_who_is_stopped_does_not_wait_for_the_end_of_everything(quick: None) -> None:
    courier = started(FakeReplica(seconds=0.9))
    courier.post([BEGIN])
    began = time.monotonic()
    courier.finish(seconds=0.2)
    assert time.monotonic() - began == pytest.approx(0.2, abs=0.15)


def test_a_stop_ends_the_waiting(quick: None) -> None:
    courier = started(FakeReplica(seconds=3))
    courier.post([BEGIN])
    began = time.monotonic()
    courier.finish(hurried=lambda: time.monotonic() - began > 0.1)
    assert 0.1 < time.monotonic() - began < 0.9


def test_waiting_for_a_slow_store_has_an_end_and_is_told(quick: None) -> None:
    courier = started(FakeReplica(seconds=0.6))
    courier.post([BEGIN])
    assert courier.keep_in_step(0.2) == pytest.approx(0.2, abs=0.1)
    assert courier.keep_in_step(2) == 0
    assert courier.in_step
    courier.finish()


def test_at_the_end_it_tries_at_once_and_twice_if_that_is_quick(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "PAUSES", (60.0,))
    replica = FakeReplica(AWAY, AWAY)
    one = started(replica)
    one.post([BEGIN, metric(2)])
    one.keep_in_step(5)
    began = time.monotonic()
    one.finish()
    assert one.in_step
    assert time.monotonic() - began < 1.5
    another = started(FakeReplica(*[AWAY] * 50))
    another.post([BEGIN])
    another.keep_in_step(5)
    another.finish()
    assert not another.in_step
    assert time.monotonic() - began < 3


def test_at_the_end_a_step_has_its_time_and_no_more(quick: None) -> None:
    hanging = started(FakeReplica(seconds=30))
    hanging.post([BEGIN])
    began = time.monotonic()
    hanging.finish()
    assert time.monotonic() - began == pytest.approx(1.0, abs=0.3)
    assert isinstance(hanging.failure, UnreachableError)
    assert hanging.failure.reason == "no answer in time"
    slow = started(FakeReplica(seconds=1.5))
    slow._on_step(300_000)  # three seconds' worth of a file
    slow.post([BEGIN])
    slow.finish()
    assert (slow.in_step, slow.failure) == (True, None)


def test_a_mistake_at_the_start_is_raised_and_an_outage_is_not() -> None:
    with pytest.raises(TrackingError, match="wrong password"):
        started(FakeReplica(), TrackingError("wrong password"))
    courier = started(FakeReplica(), AWAY)
    assert courier.failure is AWAY
    courier.finish()


def test_a_mistake_of_ours_does_not_reach_the_training(quick: None, caplog: pytest.LogCaptureFixture) -> None:
    courier = started(FakeReplica(ZeroDivisionError("ours")))
    courier.post([BEGIN])
    courier.keep_in_step(5)
    assert str(courier.failure) == "the store could not be written to: ZeroDivisionError"
    assert "Traceback" in caplog.text
    courier.finish()
    assert courier.in_step


# --- a database of this machine ----------------------------------------------------------------------


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Somebody else writes, and does not come to an end."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_a_locked_database_costs_little_and_has_everything_in_the_end(
    store: Store, database: Path, new_recorder: NewRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "VAIN_SECONDS", 0.5)
    said: list[str] = []
    with new_recorder(warn=said.append) as recorder, locked(database):
        began = time.monotonic()
        for epoch in (1, 2, 3):
            recorder.log_epoch(epoch, {"loss": 1 / epoch})
        assert time.monotonic() - began < 1
    assert recorder.in_step
    history = store.client.get_metric_history(recorder.run_id, "loss")
    assert [(item.step, item.value) for item in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert said == []


def test_a_database_that_another_process_is_opening_for_long_has_everything_in_the_end(
    store: Store, database: Path, new_recorder: NewRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    opens = tracking_database.locked
    monkeypatch.setattr(tracking_database, "locked", partial(opens, seconds=0.1))
    with opens(database), new_recorder(warn=said.append) as recorder:
        recorder.log_epoch(1, {"loss": 1.0})
        assert not recorder.in_step
    assert not recorder.in_step
    assert len(said) == 1
    assert said[0].startswith("warning: sqlite:///mlflow.db does not take the record (another process has held it")
    assert sync([]) == 0
    (run,) = store.client.search_runs([store.experiment_id])
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 1.0})


def test_a_full_disk_under_the_database_is_a_warning_and_sync_completes_it(
    store: Store, database: Path, new_recorder: NewRecorder
) -> None:
    said: list[str] = []
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    with new_recorder(run_name="full", warn=said.append) as recorder:
        at_most = database.with_name("mlflow.db-wal").stat().st_size + 20_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (at_most, unlimited[1]))
        try:
            for epoch in range(1, 21):
                recorder.log_epoch(epoch, {"loss": 1 / epoch, "accuracy": epoch / 20})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        there = len(store.client.get_metric_history(recorder.run_id, "loss"))
        assert there < 20
    assert len(said) == 1
    assert said[0].startswith("warning: sqlite:///mlflow.db does not take the record (")
    assert sync([]) == 0
    history = store.client.get_metric_history(recorder.run_id, "loss")
    assert [(item.step, item.value) for item in history] == [(epoch, 1 / epoch) for epoch in range(1, 21)]
    assert store.client.get_run(recorder.run_id).info.status == "FINISHED"
