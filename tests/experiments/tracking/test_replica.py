"""Bringing runs to a database; test_session.py does it with a server that fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from experiments.tracking.facts import Measurement, ModelFacts, RunFacts
from experiments.tracking.lookup import DeletedRunError
from experiments.tracking.replica import Replica, lacking
from experiments.tracking.service import UnreachableError
from experiments.tracking.store import Store
from tests.dumps import dump


def facts(tmp_path: Path, identity: str = "one", **named: Any) -> RunFacts:
    (tmp_path / "a.txt").write_text("hello")
    told: dict[str, Any] = {
        "params": {f"p{number}": str(number) for number in range(120)},
        "tags": {f"t{number}": str(number) for number in range(120)},
        "metrics": [Measurement("loss", 1 / step, step, step) for step in range(1, 2001)],
        "artifacts": {"x/a.txt": tmp_path / "a.txt"},
        "status": "FINISHED",
        "ended": 5000,
        "seal": "9",
        "seal_tag": "journal.seq",
    }
    return RunFacts(identity, "cifar10", identity, 1000, **{**told, **named})


def test_more_than_one_request_holds_is_brought_once(store: Store, tmp_path: Path) -> None:
    brought = Replica(store, fresh=True).bring(facts(tmp_path))
    assert (brought.metrics, brought.metrics_there, brought.artifacts) == (2000, 0, 1)
    assert brought.created
    assert brought.complete
    before = dump(store.client, "cifar10")
    assert (len(before["one"]["params"]), len(before["one"]["metrics"])) == (120, 2000)
    again = Replica(store).bring(facts(tmp_path))
    assert (again.metrics, again.metrics_there, again.artifacts, again.created) == (0, 2000, 0, False)
    assert dump(store.client, "cifar10") == before


def test_without_the_mark_everything_is_compared_and_nothing_doubled(store: Store, tmp_path: Path) -> None:
    first = Replica(store, fresh=True)
    first.bring(facts(tmp_path))
    store.client.delete_tag(first.run.info.run_id, "journal.seq")
    before = dump(store.client, "cifar10")
    again = Replica(store).bring(facts(tmp_path))
    assert (again.metrics, again.metrics_there, again.artifacts, again.complete) == (0, 2000, 0, True)
    assert dump(store.client, "cifar10") == before


@pytest.mark.parametrize("call", range(1, 8))
def test_wherever_it_breaks_off_the_next_call_completes_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    calls = 0

    def lose_the_reply(method: Any) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            result = method(*arguments, **named)
            calls += 1
            if calls == call:
                raise ConnectionResetError(104, "Connection reset by peer")
            return result

        return called

    replica = Replica(store, fresh=True)
    writes = ("create_run", "log_batch", "log_artifact", "set_terminated", "set_tag")
    with monkeypatch.context() as patch:
        for name in writes:
            patch.setattr(store.client, name, lose_the_reply(getattr(store.client, name)))
        with pytest.raises(UnreachableError, match="Connection reset by peer"):
            replica.bring(facts(tmp_path))
        assert replica.bring(facts(tmp_path)).complete
    broken = dump(store.client, "cifar10")
    Replica(store, fresh=True).bring(replace(facts(tmp_path), identity="two", name="two"))
    whole = dump(store.client, "cifar10")["two"]
    whole["tags"]["mlflow.runName"] = "one"
    assert broken == {"one": whole}


def test_what_a_store_refuses_is_told_and_the_rest_is_brought(store: Store, tmp_path: Path) -> None:
    run = store.client.create_run(store.experiment_id, run_name="one", tags={"journal.id": "one"})
    store.client.log_param(run.info.run_id, "p3", "other")
    gone = {"x/a.txt": tmp_path / "a.txt", "gone.txt": tmp_path / "gone.txt"}
    brought = Replica(store).bring(facts(tmp_path, artifacts=gone))
    assert brought.refused == [
        "one: param p3 is other there, not 3",
        f"run one: artifact gone.txt is not recorded: [Errno 2] No such file or directory: '{tmp_path}/gone.txt'",
    ]
    assert not brought.complete
    (there,) = dump(store.client, "cifar10").values()
    assert (len(there["params"]), len(there["metrics"]), there["status"]) == (120, 2000, "FINISHED")
    assert "journal.seq" not in store.client.get_run(run.info.run_id).data.tags


def test_one_thing_that_mlflow_cannot_take_does_not_keep_back_the_rest(store: Store, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("{ : damaged: [")
    model = ModelFacts("1", tmp_path / "model", "model")
    replica = Replica(store, fresh=True)
    (refused,) = replica.bring(facts(tmp_path, models=[model], status=None, tags={"resumes": "many"})).refused
    assert refused.startswith("run one: the model is not recorded: ")
    assert replica.bring(facts(tmp_path, metrics=[Measurement("later", 1.0, 1, 1)])).refused == []
    run = store.client.get_run(replica.run.info.run_id)
    assert (run.data.metrics["later"], run.info.status) == (1.0, "FINISHED")


def test_a_child_is_brought_before_its_parent_and_nested_later(store: Store, tmp_path: Path) -> None:
    early = Replica(store, fresh=True)
    child = facts(tmp_path, "child", parent="parent")
    assert early.bring(replace(child, status=None)).refused == []
    assert early.bring(replace(child, metrics=[])).refused == [f"child: the run above it, parent, is not in {store}"]
    Replica(store, fresh=True).bring(facts(tmp_path, "parent"))
    assert Replica(store).bring(child).complete
    assert dump(store.client, "cifar10")["child"]["parent"] == "parent"


def test_an_end_that_a_journal_tells_counts_though_the_store_has_a_later_one(store: Store, tmp_path: Path) -> None:
    replica = Replica(store, fresh=True)
    replica.bring(facts(tmp_path, status=None))
    store.client.set_terminated(replica.run.info.run_id, "KILLED", 9000)  # by its parent, or the doctor
    assert Replica(store).bring(facts(tmp_path, ended=8000)).complete
    (run,) = store.client.search_runs([store.experiment_id])
    assert (run.info.status, run.info.end_time) == ("FINISHED", 8000)


def test_before_an_end_that_is_assumed_a_later_one_counts_and_a_run_that_was_taken_up_again_is_left(
    store: Store, tmp_path: Path
) -> None:
    Replica(store, fresh=True).bring(facts(tmp_path, ended=9000))
    Replica(store).bring(facts(tmp_path, ended=8000, status="KILLED", assumed=True, seal="7"))
    (run,) = store.client.search_runs([store.experiment_id])
    assert (run.info.status, run.info.end_time) == ("FINISHED", 9000)
    store.client.set_tag(run.info.run_id, "resumes", "1")
    Replica(store).bring(facts(tmp_path, ended=9999, status="KILLED", seal="8"))
    assert store.client.get_run(run.info.run_id).info.status == "FINISHED"


def test_a_run_that_goes_on_is_open_again(store: Store, tmp_path: Path) -> None:
    Replica(store, fresh=True).bring(facts(tmp_path))
    Replica(store).bring(facts(tmp_path, status=None, metrics=[Measurement("loss", 7.0, 3000, 3000)]))
    (run,) = store.client.search_runs([store.experiment_id])
    assert (run.info.status, run.data.metrics["loss"]) == ("RUNNING", 7.0)


def test_a_deleted_run_is_left_so(store: Store, tmp_path: Path) -> None:
    first = Replica(store, fresh=True)
    first.bring(facts(tmp_path))
    store.client.delete_run(first.run.info.run_id)
    for look in (Replica(store).bring, lambda told: lacking(store, told)):
        with pytest.raises(DeletedRunError, match=r"^one: run \w+ was deleted in sqlite.* and is left so$"):
            look(facts(tmp_path))


def test_looking_changes_nothing(store: Store, tmp_path: Path) -> None:
    told = facts(tmp_path)
    assert (lacking(store, told).metrics, lacking(None, told).metrics) == (2000, 2000)
    assert store.client.search_runs([store.experiment_id]) == []
    replica = Replica(store, fresh=True)
    replica.bring(replace(told, metrics=told.metrics[:5], status=None, artifacts={}))
    found = lacking(store, told)
    assert (found.created, found.metrics, found.metrics_there, found.artifacts) == (False, 1995, 5, 1)


def test_an_error_of_the_store_that_is_no_outage_is_not_tried_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise MlflowException("not allowed", error_code=PERMISSION_DENIED)

    monkeypatch.setattr(store.client, "log_artifact", refuse)
    assert Replica(store, fresh=True).bring(facts(tmp_path)).refused == [
        "run one: artifact x/a.txt is not recorded: not allowed"
    ]
