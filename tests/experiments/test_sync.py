"""`python -m experiments.sync`: what it brings, what it leaves, what it says, and with which exit code it ends."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.models import Model

from experiments.sync import find
from experiments.sync import main as sync
from experiments.tracking.completion import Completion
from experiments.tracking.config import TrackingConfig
from experiments.tracking.journal import JOURNAL_FILE, Journal
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import Store
from tests.dumps import dump
from tests.experiments.bringing import bring_at_once
from tests.services.mlflow_server import Proxy, Server

NewRecorder = Callable[..., Recorder]


def client_of(project: Path, name: str) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project}/{name}")


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1]


@pytest.fixture
def other(project: Path, made_database: Path) -> str:
    """The address of a second database in the project, with no runs."""
    shutil.copy(made_database, project / "other.db")
    return "sqlite:///other.db"


@pytest.fixture
def whole_project(store: Store, project: Path) -> MlflowClient:
    """A project of runs without journals, in two MLflow experiments, as MLflow's own calls make them."""
    client = store.client
    second = client.create_experiment("second", str(project / "mlruns" / "second"), tags={"mlflow.note.content": "x"})
    parent = client.create_run(store.experiment_id, start_time=1000, run_name="parent")
    child = client.create_run(
        store.experiment_id, start_time=2000, run_name="child", tags={"mlflow.parentRunId": parent.info.run_id}
    )
    grandchild = client.create_run(
        second, start_time=3000, run_name="grandchild", tags={"mlflow.parentRunId": child.info.run_id}
    )
    for number, run in enumerate((parent, child, grandchild)):
        fill(client, run, number)
    client.set_terminated(parent.info.run_id, "FINISHED", 9000)
    client.set_terminated(child.info.run_id, "FAILED", 8000)
    client.set_terminated(grandchild.info.run_id, "KILLED", 7000)
    add_model(client, child, project)
    return client


def fill(client: MlflowClient, run: Any, number: int) -> None:
    run_id = run.info.run_id
    metrics = [Metric("loss", 1 / step, 1000 * step + number, step) for step in range(1, 901 if number == 0 else 11)]
    client.log_batch(run_id, metrics=metrics)
    client.log_batch(
        run_id, metrics=[Metric("loss", 0.5, 7, 3), Metric("nan", float("nan"), 5, 0), Metric("a/b", 1, 5, -1)]
    )
    client.log_param(run_id, "optimizer.learning_rate", "0.001")
    client.log_param(run_id, "note", "ü" * 3000)
    client.set_tag(run_id, "mlflow.note.content", f"# run {number}")
    client.log_text(run_id, "hello", "a/b/c.txt")
    client.log_text(run_id, "", "empty.txt")
    dataset = Dataset("cifar10", f"digest{number}", "local", '{"uri": "/data"}', "{}", '{"n": 3}')
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])


def add_model(client: MlflowClient, run: Any, project: Path) -> None:
    from mlflow.entities import LoggedModelOutput

    logged = client.create_logged_model(
        run.info.experiment_id,
        "net",
        run.info.run_id,
        tags={"kind": "small"},
        params={"p": "1"},
        model_type="classifier",
    )
    folder = project / "net"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"1" * 1000)
    Model(model_id=logged.model_id, run_id=run.info.run_id).save(str(folder / "MLmodel"))
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, step=3)])
    client.log_batch(
        run.info.run_id,
        metrics=[Metric("score", 0.75, 99, 3, logged.model_id, "cifar10", "digest1", run.info.run_id)],
    )


def everything(client: MlflowClient) -> dict[str, Any]:
    return {experiment: dump(client, experiment) for experiment in ("cifar10", "second")}


# --- whole projects ----------------------------------------------------------------------------------


def test_a_whole_project_is_copied_value_by_value_and_a_second_time_nothing_is_added(
    whole_project: MlflowClient, project: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync(["--to", other]) == 0
    assert last_line(capsys) == "3 runs complete, 3 new, 930 metrics added, 0 already there, 7 files added"
    copy = client_of(project, "other.db")
    copied = everything(copy)
    assert copied == everything(whole_project)
    assert sorted(run["parent"] or "" for runs in copied.values() for run in runs.values()) == ["", "child", "parent"]
    assert copied["cifar10"]["child"]["models"] == [
        ("net", 3, "READY", [("p", "1")], [("score", 3, "0.75", 99)], ["MLmodel", "weights.bin"])
    ]
    assert sync(["--to", other]) == 0
    assert last_line(capsys) == "3 runs complete, 0 new, 0 metrics added, 930 already there, 0 files added"
    assert everything(copy) == copied


def test_a_copied_network_names_the_run_and_the_model_of_its_new_store(
    whole_project: MlflowClient, project: Path, other: str
) -> None:
    sync(["--to", other])
    copy = client_of(project, "other.db")
    (run,) = copy.search_runs(["1"], "run_name = 'child'")
    (output,) = run.outputs.model_outputs
    logged = copy.get_logged_model(output.model_id)
    described = Model.load(logged.artifact_location)
    assert (described.run_id, described.model_id) == (run.info.run_id, logged.model_id)
    assert logged.tags["kind"] == "small"
    assert logged.model_type == "classifier"
    assert [(item.dataset_name, item.dataset_digest) for item in logged.metrics] == [("cifar10", "digest1")]


def test_a_copy_that_was_broken_off_is_completed(
    whole_project: MlflowClient, project: Path, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_batch, calls = MlflowClient.log_batch, iter(range(100))

    def break_off(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return log_batch(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", break_off)
    assert sync(["--to", other]) == 130
    copy = client_of(project, "other.db")
    assert everything(copy) != everything(whole_project)
    monkeypatch.undo()
    monkeypatch.chdir(project)
    assert sync(["--to", other]) == 0
    assert everything(copy) == everything(whole_project)


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_a_database_that_cannot_be_used_is_one_line_and_exit_code_2_however_many_runs_there_are(
    whole_project: MlflowClient, project: Path, dry_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "notes.txt").write_text("no database, but long enough to be looked at as one")
    assert sync(["--to", "sqlite:///notes.txt", *dry_run]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        "error: notes.txt: cannot be read as a database (file is not a database). "
        "Restore a copy of it, or put it away and start anew: mv notes.txt notes.txt.broken\n"
    )


def test_a_folder_that_is_missing_is_made_for_the_store_that_was_typed_but_not_by_a_dry_run(
    whole_project: MlflowClient, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["--to", "sqlite:///new/folder/runs.db"]
    assert sync([*typed, "--dry-run"]) == 0
    assert not (project / "new").exists()
    assert sync(typed) == 0
    assert last_line(capsys) == "3 runs complete, 3 new, 930 metrics added, 0 already there, 7 files added"
    copied = everything(MlflowClient(f"sqlite:///{project}/new/folder/runs.db"))
    assert copied == everything(whole_project)


def test_a_dry_run_says_what_would_come_and_makes_nothing(
    whole_project: MlflowClient, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in project.rglob("*"))
    assert sync(["--to", "sqlite:///new.db", "--dry-run"]) == 0
    assert last_line(capsys) == (
        "0 runs complete already, 3 would be new, 930 metrics would be added, 0 already there, 7 files would be added"
    )
    assert sorted(path.name for path in project.rglob("*")) == before


def test_a_run_that_goes_on_is_copied_as_far_as_it_is_and_completed_later(
    whole_project: MlflowClient, project: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = whole_project.create_run("1", run_name="goes on")
    whole_project.log_metric(run.info.run_id, "loss", 1.0, 5, 1)
    assert sync(["--to", other]) == 0
    assert last_line(capsys).endswith(", 1 still going on")
    copy = client_of(project, "other.db")
    assert dump(copy, "cifar10")["goes on"]["status"] == "RUNNING"
    whole_project.log_metric(run.info.run_id, "loss", 0.5, 6, 2)
    whole_project.set_terminated(run.info.run_id)
    assert sync(["--to", other]) == 0
    assert everything(copy) == everything(whole_project)


def test_a_run_that_was_deleted_there_stays_deleted(
    whole_project: MlflowClient, project: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sync(["--to", other])
    copy = client_of(project, "other.db")
    (run,) = copy.search_runs(["1"], "run_name = 'child'")
    copy.delete_run(run.info.run_id)
    capsys.readouterr()
    assert sync(["--to", other]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"child: run {run.info.run_id} was deleted in {copy.tracking_uri} and is left so"
    assert [item.info.run_name for item in copy.search_runs(["1"])] == ["parent"]


def test_what_a_person_wrote_into_the_copy_is_not_overwritten(
    whole_project: MlflowClient, project: Path, other: str
) -> None:
    sync(["--to", other])
    copy = client_of(project, "other.db")
    (run,) = copy.search_runs(["1"], "run_name = 'child'")
    copy.set_tag(run.info.run_id, "mlflow.note.content", "mine")
    sync(["--to", other])
    assert copy.get_run(run.info.run_id).data.tags["mlflow.note.content"] == "mine"


def test_a_run_with_a_journal_is_copied_once_with_what_was_said_of_it_in_the_store(
    store: Store, project: Path, other: str, new_recorder: NewRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_recorder(run_name="mine", params={"a": 1}) as recorder:
        recorder.log_epoch(1, {"loss": 1.0})
    store.client.update_run(recorder.run_id, name="renamed")
    store.client.set_tag(recorder.run_id, "mlflow.note.content", "the best")
    assert sync(["--to", other]) == 0
    assert last_line(capsys) == "1 run complete, 1 new, 1 metrics added, 0 already there, 0 files added"
    copy = dump(client_of(project, "other.db"), "cifar10")
    assert copy == dump(store.client, "cifar10")
    assert copy["renamed"]["tags"]["mlflow.note.content"] == "the best"
    assert sync(["--to", other]) == 0
    assert dump(client_of(project, "other.db"), "cifar10") == copy


def test_a_server_takes_a_whole_project_and_survives_being_killed_meanwhile(
    whole_project: MlflowClient, server: Server, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (experiment,) = [item for item in whole_project.search_experiments() if item.name == "second"]
    whole_project.rename_experiment(experiment.experiment_id, "from-the-cluster")
    server.kill()
    assert sync(["--to", server.uri]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"error: {server.uri}: cannot be reached: Connection refused\n"
    server.start()
    assert sync(["--to", server.uri]) == 0
    copy = MlflowClient(server.uri)
    copied = {name: dump(copy, name) for name in ("cifar10", "from-the-cluster")}
    assert copied == {name: dump(whole_project, name) for name in ("cifar10", "from-the-cluster")}
    assert sync(["--to", server.uri]) == 0
    assert last_line(capsys) == "3 runs complete, 0 new, 0 metrics added, 930 already there, 0 files added"
    assert {name: dump(copy, name) for name in copied} == copied


# --- journals ----------------------------------------------------------------------------------------


@pytest.fixture
def killed(store: Store, project: Path, new_recorder: NewRecorder) -> Recorder:
    """A run whose process was killed after its first epoch: its journal has no end, the store has it open."""
    recorder = new_recorder(run_name="killed").__enter__()
    recorder.log_epoch(1, {"loss": 1.0})
    return recorder


def test_a_run_that_goes_on_is_left_alone_and_a_killed_one_is_closed(
    killed: Recorder, store: Store, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync([]) == 0
    assert last_line(capsys).endswith(", 1 still going on")
    assert store.client.get_run(killed.run_id).info.status == "RUNNING"
    killed._session._journaled.journal.close()  # the operating system does it for a process that is killed
    assert sync([]) == 0
    run = store.client.get_run(killed.run_id)
    assert run.info.status == "KILLED"
    assert run.info.end_time >= run.info.start_time
    assert last_line(capsys) == "1 run complete, 0 new, 0 metrics added, 1 already there, 0 files added"


def test_a_run_that_was_taken_up_again_in_the_meantime_is_left_alone(
    killed: Recorder, store: Store, project: Path, new_recorder: NewRecorder
) -> None:
    killed._session._journaled.journal.close()
    completion = Completion(None)
    found = find(None, None, completion.summary)
    with Recorder(TrackingConfig(), killed._session.folder, resume=killed.run_id) as recorder:
        summary = completion.bring_all(found, lambda source: None)
        assert (summary.goes_on, summary.complete, summary.problems) == (1, 0, [])
        assert store.client.get_run(recorder.run_id).info.status == "RUNNING"


def test_two_at_once_bring_each_journal_and_each_run_of_a_database_once(
    store: Store, project: Path, other: str
) -> None:
    for number in range(15):
        journal = Journal(project / "outputs" / str(number))
        about = {"name": f"journal {number}", "experiment": "cifar10", "uri": "sqlite:///mlflow.db", "parent": None}
        journal.append("begin", id=uuid4().hex, **about)
        for epoch in range(5):
            journal.append("metrics", values=[["loss", 0.5, 1000 + epoch, epoch]])
        journal.append("end", status="FINISHED")
        journal.close()
        run = store.client.create_run(store.experiment_id, run_name=f"database {number}")
        store.client.log_batch(run.info.run_id, [Metric("loss", 0.5, 1000 + epoch, epoch) for epoch in range(5)])
        store.client.set_terminated(run.info.run_id)
    assert bring_at_once(project, "--to", other) == [("", 0)] * 2
    copy = dump(client_of(project, "other.db"), "cifar10")  # which refuses two runs of one name
    assert [(len(run["metrics"]), run["status"]) for run in copy.values()] == [(5, "FINISHED")] * 30


def test_journals_are_found_in_the_folders_given_and_a_damaged_one_is_named(
    store: Store, project: Path, new_recorder: NewRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_recorder(run_name="one") as recorder:
        recorder.log_epoch(1, {"loss": 1.0})
    store.client.delete_run(recorder.run_id)  # the one in outputs/
    shutil.copytree(project / "outputs", project / "from" / "the" / "cluster")
    path = project / "from" / "the" / "cluster" / "1" / JOURNAL_FILE
    path.write_text(path.read_text().replace('"values"', "?", 1))
    assert sync(["from"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("not complete: from/the/cluster/1/journal.jsonl: line 2 is damaged; restore the ")
    assert printed.out == "0 runs complete, 0 new, 0 metrics added, 0 already there, 0 files added, 1 not complete\n"


def test_what_a_newer_version_wrote_is_named_and_the_rest_is_brought(
    store: Store, project: Path, other: str, new_recorder: NewRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_recorder(run_name="new") as recorder:
        recorder.log_epoch(1, {"loss": 1.0})
        recorder._session._journaled.journal.append("hologram", size=3)
    store.client.delete_tag(recorder.run_id, "journal.seq")
    assert sync(["--to", other]) == 1
    printed = capsys.readouterr()
    assert printed.err == "not complete: new: a newer version wrote its journal; not understood: hologram\n"
    assert dump(client_of(project, "other.db"), "cifar10")["new"]["latest"] == {"loss": "1.0"}


def test_a_journal_cannot_make_us_send_files_of_this_machine(
    store: Store, project: Path, other: str, new_recorder: NewRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_recorder(run_name="sly"):
        pass
    store.client.delete_run(client_of(project, "mlflow.db").search_runs(["1"])[0].info.run_id)
    path = project / "outputs" / "1" / JOURNAL_FILE
    lines = path.read_text().splitlines()
    sly = {"seq": len(lines), "at": 1, "kind": "artifact", "name": "a", "file": "/etc/hostname"}
    lines[-1] = json.dumps(sly)
    path.write_text("\n".join(lines) + "\n")
    assert sync(["--to", other]) == 1
    assert "(artifact) does not tell what it should" in capsys.readouterr().err


def test_a_copied_folder_cannot_make_us_send_what_its_links_lead_to(
    store: Store, project: Path, other: str, new_recorder: NewRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "secret").mkdir()
    (project / "secret" / "key").write_text("a private key")
    with new_recorder(run_name="sly") as recorder:
        model = project / "outputs" / "1" / "model"
        model.mkdir()
        (model / "MLmodel").write_text("flavors: {}\n")
        (model / "key").symlink_to(project / "secret" / "key")
        recorder._session.record("model", folder="model", name="model")
        recorder.log_metrics({"test_accuracy": 0.5})
    elsewhere = store.client.create_run(store.experiment_id, run_name="elsewhere")
    store.client.set_terminated(elsewhere.info.run_id)
    with closing(sqlite3.connect("mlflow.db")) as connection, connection:
        where = (f"{project.parent}", elsewhere.info.run_id)
        connection.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", where)
    assert sync(["--to", other]) == 1
    printed = capsys.readouterr().err
    assert "model/key: is a link, and what it leads to is not sent" in printed
    assert f"elsewhere: {project.parent}: lies outside {project}, the folder of the database" in printed
    copy = dump(client_of(project, "other.db"), "cifar10")
    assert copy["sly"]["latest"] == {"test_accuracy": "0.5"}
    assert copy["elsewhere"]["artifacts"] == {}
    sent = [path for path in (project / "mlruns").rglob("*") if path.is_file()]
    assert not any(b"private" in path.read_bytes() for path in sent)


def test_a_store_whose_password_was_not_kept_has_to_be_named(
    project: Path, new_recorder: NewRecorder, impatient: None, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    with new_recorder(TrackingConfig(uri="http://me:canary@127.0.0.1:9"), "secret", warn=said.append) as recorder:
        pass
    assert recorder.completing == f"python -m experiments.sync --to URI {project}/outputs/1"
    assert "canary" not in said[0] + (project / "outputs" / "1" / JOURNAL_FILE).read_text()
    assert sync([]) == 1
    assert capsys.readouterr().err == (
        "not complete: secret: http://***@127.0.0.1:9: the password of this address was not kept; "
        "give the whole address with --to\n"
    )


def test_what_a_run_says_completes_it_brings_that_run_with_the_users_credentials(
    project: Path, new_recorder: NewRecorder, proxy: Proxy, impatient: None, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "canary-password")
    proxy.close()
    config = TrackingConfig(uri=proxy.uri, experiment="with credentials")
    with new_recorder(config, "mine", warn=lambda line: None) as recorder:
        recorder.log_epoch(1, {"loss": 1.0})
    assert recorder.completing == f"python -m experiments.sync --to {proxy.uri} {project}/outputs/1"
    proxy.open()
    assert sync([]) == 1
    assert f"If it is yours: --to {proxy.uri}\n" in capsys.readouterr().err
    assert sync(recorder.completing.split()[3:]) == 0
    assert last_line(capsys) == "1 run complete, 1 new, 1 metrics added, 0 already there, 0 files added"


# --- the command line --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--too", "x"], "error: command line: unrecognized arguments: --too. See --help"),
        (["nowhere"], "error: nowhere: no such folder"),
        (["--to", "mlruns"], "error: --to=mlruns: expected the address of a database or a server "),
        (["--to"], "error: command line: argument --to: expected one argument. See --help"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    assert sync(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(line)
    assert printed.err.count("\n") == 1
    assert list(project.iterdir()) == []


def test_something_else_than_mlflow_behind_the_address_is_a_mistake(
    whole_project: MlflowClient, project: Path, capsys: pytest.CaptureFixture[str], nothing_but_403: str
) -> None:
    assert sync(["--to", nothing_but_403]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {nothing_but_403}: cannot be reached: API request to endpoint")
    assert "403" in printed.err


def test_where_there_is_nothing_there_is_nothing_to_do(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync([]) == 0
    assert capsys.readouterr().out == "0 runs complete, 0 new, 0 metrics added, 0 already there, 0 files added\n"
    assert list(project.iterdir()) == []


def test_the_command_helps_before_it_imports_anything_heavy(project: Path) -> None:
    code = (
        "import sys; from experiments.sync import main\n"
        "try: main(['--help'])\n"
        "finally: print({'mlflow', 'tensorflow', 'keras'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: python -m experiments.sync [-h] [--to URI] [--dry-run] [folder ...]")
    assert done.stdout.endswith("set()\n")
