"""Which runs are taken for dead, and what closing them leaves in the store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Metric, RunTag

from experiments.tracking import closing, life
from experiments.tracking.census import Journals, take
from experiments.tracking.closing import OpenRun, close, open_runs
from experiments.tracking.facts import SEAL_TAG
from experiments.tracking.journal import now
from experiments.tracking.life import Process
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store

NewRecorder = Callable[..., Recorder]
HERE = Process.own().tags()
GONE = HERE | {"process.pid": "4000000"}
ELSEWHERE = HERE | {"process.host": "another"}


def found(store: Store) -> dict[str, OpenRun]:
    """The open runs of a store, by name."""
    census = take(store.uri)
    assert census is not None
    return {run.run.info.run_name: run for run in open_runs(census, Journals.below([Path("outputs")]))}


def add_run(store: Store, name: str, tags: dict[str, str], began: int = 1000) -> str:
    return str(store.client.create_run(store.experiment_id, began, tags, name).info.run_id)


@pytest.fixture
def killed(store: Store, new_recorder: NewRecorder) -> Recorder:
    """A run whose process was killed after its second epoch; its journal has both, the store only the first."""
    recorder = new_recorder(run_name="killed").__enter__()
    recorder.log_epoch(1, {"loss": 1.5})
    session = recorder._session
    session._courier.close()
    session._journaled.journal.append("metrics", values=[["loss", 1.25, now(), 2]])
    session._journaled.journal.close()  # the operating system does it for a process that is killed
    store.client.log_batch(recorder.run_id, tags=[RunTag(name, value) for name, value in GONE.items()])
    return recorder


def history(store: Store, run_id: str) -> list[tuple[int, float]]:
    return [(item.step, item.value) for item in store.client.get_metric_history(run_id, "loss")]


def test_the_journal_of_a_killed_run_completes_it_before_it_is_closed(store: Store, killed: Recorder) -> None:
    run = found(store)["killed"]
    assert run.verdict.alive is False
    said = close(store, run)
    assert said.startswith(f"killed (run {killed.run_id}): KILLED, ended ")
    assert said.endswith("by outputs/1/journal.jsonl")
    closed = store.client.get_run(killed.run_id)
    assert (closed.info.status, history(store, killed.run_id)) == ("KILLED", [(1, 1.5), (2, 1.25)])
    assert closed.info.end_time == run.journaled[0].source.load().ended
    assert closed.data.tags["stop_reason"].startswith("process 4000000 of this machine is gone, last heard of 20")
    assert SEAL_TAG in closed.data.tags


def test_a_run_can_be_gone_on_with_where_its_journal_is(store: Store, killed: Recorder, project: Path) -> None:
    add_run(store, "without", GONE)
    add_run(store, "another's folder", GONE | {"folder": "outputs/1"})
    runs = found(store)
    assert runs["killed"].folder() == Path("outputs/1")
    assert (runs["without"].folder(), runs["another's folder"].folder()) == (None, None)
    (project / "outputs").rename(project / "elsewhere")  # the doctor does not look there
    assert found(store)["killed"].folder() is None
    store.client.set_tag(killed.run_id, "folder", "elsewhere/1")
    assert found(store)["killed"].folder() == Path("elsewhere/1")
    (project / "elsewhere" / "1" / "multirun.yaml").touch()
    assert found(store)["killed"].folder() is None


def test_without_its_journal_it_ends_when_it_was_last_heard_of(store: Store, killed: Recorder, project: Path) -> None:
    shutil.rmtree(project / "outputs")
    ahead = now() + 5_000
    store.client.log_batch(killed.run_id, metrics=[Metric("loss", 1.0, ahead, 3)])
    assert close(store, found(store)["killed"]).endswith("when it was last heard of")
    closed = store.client.get_run(killed.run_id)
    assert (closed.info.status, closed.info.end_time) == ("KILLED", ahead)
    assert history(store, killed.run_id) == [(1, 1.5), (3, 1.0)]


def test_a_run_whose_journal_is_being_written_is_alive_whatever_its_tags_say(
    store: Store, new_recorder: NewRecorder
) -> None:
    with new_recorder(run_name="alive") as recorder:
        store.client.log_batch(recorder.run_id, tags=[RunTag(name, value) for name, value in GONE.items()])
        run = found(store)["alive"]
        assert (run.verdict.alive, run.verdict.why) == (True, "a process writes outputs/1/journal.jsonl")


def test_a_run_that_shows_life_before_it_is_closed_is_left_alone(store: Store) -> None:
    run_id = add_run(store, "back", GONE)
    run = found(store)["back"]
    assert run.verdict.alive is False
    store.client.set_tag(run_id, "process.pid", HERE["process.pid"])
    assert close(store, run).endswith("left alone, it ended or was taken up again in the meantime")
    assert store.client.get_run(run_id).info.status == "RUNNING"


def test_a_run_of_another_machine_dies_with_its_heartbeat_and_any_measurement_is_one(store: Store) -> None:
    recent = {**ELSEWHERE, life.HEARTBEAT_TAG: life.heartbeat()}
    add_run(store, "beats", recent)
    silent = add_run(store, "silent", ELSEWHERE | {life.HEARTBEAT_TAG: "2026-01-01T00:00:00Z"})
    measures = add_run(store, "measures", ELSEWHERE)
    store.client.log_metric(measures, "loss", 1.0, timestamp=now())
    runs = found(store)
    assert {name: run.verdict.alive for name, run in runs.items()} == {"beats": True, "silent": False, "measures": True}
    close(store, runs["silent"])
    assert store.client.get_run(silent).info.end_time == 1_767_225_600_000


def test_runs_without_tags_are_judged_by_their_journal_or_not_at_all(store: Store, killed: Recorder) -> None:
    for name in GONE:
        store.client.delete_tag(killed.run_id, name)
    add_run(store, "another tool's", {})
    runs = found(store)
    assert {name: run.verdict.alive for name, run in runs.items()} == {"killed": False, "another tool's": None}
    assert runs["killed"].verdict.why == "no process writes outputs/1/journal.jsonl"


def test_runs_of_all_experiments_are_looked_at_and_deleted_ones_are_not(store: Store) -> None:
    other = store.client.create_experiment("other")
    store.client.create_run(other, 1000, GONE, "elsewhere")
    deleted: Any = add_run(store, "deleted", GONE)
    store.client.delete_run(deleted)
    assert list(found(store)) == ["elsewhere"]


def test_an_older_journal_of_a_run_that_was_taken_up_again_does_not_end_it(
    store: Store, killed: Recorder, new_recorder: NewRecorder
) -> None:
    """Its new folder is not among those that are looked at."""
    with new_recorder(run_name="new", resume=killed.run_id) as resumed:
        Path("outputs/2").rename("elsewhere")
        run = found(store)["killed"]
        assert run.verdict.alive is True
        assert run.verdict.why == f"process {HERE['process.pid']} goes on"
        close(store, run)
        assert store.client.get_run(resumed.run_id).info.status == "RUNNING"
        Path("elsewhere").rename("outputs/2")


def test_a_run_that_was_closed_and_was_alive_after_all_gets_its_true_end(
    store: Store, new_recorder: NewRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_recorder(run_name="asleep") as recorder:
        recorder.log_epoch(1, {"loss": 1.5})
        store.client.set_tag(recorder.run_id, "process.host", "another")
        Path("outputs").rename("on-another-machine")
        monkeypatch.setattr(closing, "now", lambda: now() + 301_000)
        close(store, found(store)["asleep"])
        assert store.client.get_run(recorder.run_id).info.status == "KILLED"
        recorder.log_epoch(2, {"loss": 1.25})
    assert store.client.get_run(recorder.run_id).info.status == "FINISHED"
    assert history(store, recorder.run_id) == [(1, 1.5), (2, 1.25)]
