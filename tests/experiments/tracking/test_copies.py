from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import LoggedModelOutput

from experiments.tracking.copies import facts_of_run, local_path, models_of, own_path
from experiments.tracking.facts import Measurement
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store

NewRecorder = Callable[..., Recorder]


def test_a_run_without_a_journal_is_told_as_a_journal_would(store: Store) -> None:
    client = store.client
    parent = client.create_run(store.experiment_id, start_time=5)
    tags = {"mlflow.parentRunId": parent.info.run_id, "mlflow.user": "me"}
    run_id = client.create_run(store.experiment_id, 10, tags, "mine").info.run_id
    client.log_metric(run_id, "loss", 0.5, 11, 1)
    client.log_metric(run_id, "loss", float("nan"), 12, 2)
    client.log_param(run_id, "a", "1")
    client.set_terminated(run_id, "FAILED", 20)
    facts = facts_of_run(store, client.get_run(run_id))
    assert (facts.identity, facts.name, facts.experiment) == (run_id, "mine", "cifar10")
    assert (facts.began, facts.ended, facts.status) == (10, 20, "FAILED")
    assert (facts.params, facts.tags, facts.parent) == ({"a": "1"}, {"mlflow.user": "me"}, parent.info.run_id)
    assert facts.metrics == [Measurement("loss", 0.5, 11, 1), Measurement("loss", None, 12, 2)]
    assert (facts.seal_tag, facts.seal) == ("journal.seq", "20"), "until it ends at another time"


def test_a_run_with_a_journal_keeps_its_identity_and_mark(store: Store, new_recorder: NewRecorder) -> None:
    with new_recorder() as parent, new_recorder() as recorder:
        child = store.client.create_run(store.experiment_id, tags={"mlflow.parentRunId": parent.run_id})
    run = store.client.get_run(recorder.run_id)
    facts = facts_of_run(store, run)
    assert (facts.identity, facts.seal) == (run.data.tags["journal.id"], run.data.tags["journal.seq"])
    assert "journal.seq" not in facts.tags
    identity = store.client.get_run(parent.run_id).data.tags["journal.id"]
    assert facts_of_run(store, child).parent == identity
    assert facts_of_run(store, child).status is None, "it goes on"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("mlruns/0/x", "/home/mlruns/0/x"),
        ("/data/x", "/data/x"),
        ("file:///data/a%20b", "/data/a b"),
    ],
)
def test_a_place_is_meant_from_the_databases_folder(location: str, path: str) -> None:
    assert local_path(location, Path("/home")) == Path(path)


@pytest.mark.parametrize("location", ["s3://bucket/x", "mlflow-artifacts:/x", "https://host/x"])
def test_files_of_another_machine_are_not_copied(location: str) -> None:
    with pytest.raises(TrackingError, match="only files of this machine can be copied"):
        local_path(location, Path("/home"))


def test_a_database_cannot_make_us_send_files_that_lie_elsewhere(tmp_path: Path) -> None:
    home, secret = tmp_path / "project", tmp_path / "secret"
    (home / "mlruns").mkdir(parents=True)
    secret.mkdir()
    assert own_path(str(home / "mlruns"), home) == home / "mlruns", "where MLflow itself puts it"
    assert own_path("mlruns", home) == home / "mlruns"
    assert own_path(str(tmp_path / "gone"), home) == tmp_path / "gone", "nothing is there to be sent"
    (home / "link").symlink_to(secret)
    for location in (str(secret), f"file://{secret}", "../secret", "link", "mlruns/../link"):
        with pytest.raises(TrackingError, match=f": lies outside {home}, the folder of the database, and is not sent"):
            own_path(location, home)


def test_only_networks_that_are_ready_are_told(store: Store, project: Path) -> None:
    client = store.client
    run_id = client.create_run(store.experiment_id).info.run_id
    for status in ("READY", "FAILED"):
        logged = client.create_logged_model(store.experiment_id, "net", run_id, params={"p": "1"})
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=4)])
        client.finalize_logged_model(logged.model_id, status)
    (model,) = models_of(client, client.get_run(run_id), project)
    assert (model.name, model.step, model.params) == ("net", 4, {"p": "1"})
    assert model.folder.is_relative_to(project / "mlruns" / "cifar10" / "models")
