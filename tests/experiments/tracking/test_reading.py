"""Runs are read in bulk, the same from a database and from a server."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import RecordedRun, _read_only, deleted_run, read_curves, read_runs
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store, open_store
from tests.services.mlflow_server import Server

NewRecorder = Callable[..., Recorder]
HERE = TrackingConfig()


def record(store: Store, name: str, losses: list[float], **about: Any) -> str:
    """A finished run as MLflow keeps it."""
    run = store.client.create_run(store.experiment_id, run_name=name, start_time=1000 * len(name), tags={"a": name})
    for key, value in about.items():
        store.client.log_param(run.info.run_id, key, value)
    for step, loss in enumerate(losses, start=1):
        store.client.log_metric(run.info.run_id, "loss", loss, step=step)
    store.client.set_terminated(run.info.run_id, end_time=90_000)
    return str(run.info.run_id)


def check(config: TrackingConfig, store: Store) -> None:
    """Three runs, one of them deleted, come out as they went in, the newest first."""
    first = record(store, "first", [0.5, 0.25], depth=1)
    second = record(store, "second", [math.nan], depth=2)
    store.client.delete_run(deleted := record(store, "deleted", [1.0]))
    assert deleted_run("deleted", config) == deleted
    assert deleted_run("first", config) is None
    runs = [run for run in read_runs(config) if run.experiment == config.experiment]
    assert [run.run_id for run in runs] == [second, first]
    whole = store.client.get_run(first)
    assert runs[1] == RecordedRun(
        run_id=first,
        name="first",
        status="FINISHED",
        experiment=config.experiment,
        began=5000,
        ended=90_000,
        params={"depth": "1"},
        tags={"a": "first", "mlflow.runName": "first"},
        metrics={"loss": 0.25},
        artifact_uri=whole.info.artifact_uri,
    )
    assert math.isnan(runs[0].metrics["loss"])
    assert runs[0].parent is None
    assert [run.name for run in read_runs(config, "params.depth = '1'")] == ["first"]
    curves = read_curves(config, [first, second], ["loss", "accuracy"])
    assert curves[first] == {"loss": [(1, 0.5), (2, 0.25)]}
    assert [step for step, _ in curves[second]["loss"]] == [1]
    assert math.isnan(curves[second]["loss"][0][1])


def test_runs_of_a_database_are_read_without_deleted_ones(store: Store) -> None:
    check(HERE, store)


def test_so_are_those_of_a_server(server: Server) -> None:
    config = TrackingConfig(uri=server.uri, experiment="read from a server")
    check(config, open_store(config))


def test_a_run_below_another_knows_its_parent(store: Store, new_recorder: NewRecorder) -> None:
    with new_recorder(run_name="above") as above, new_recorder(replace(HERE, parent_run_id=above.run_id)):
        pass
    below, parent = read_runs(HERE)
    assert (below.parent, parent.parent) == (parent.run_id, None)


def test_without_a_database_there_are_no_runs_and_none_is_made(project: Path) -> None:
    assert read_runs(HERE) == []
    assert list(project.iterdir()) == []


def test_what_is_read_is_not_changed(database: Path) -> None:
    database.chmod(0o400)
    assert read_runs(HERE) == []
    assert read_curves(HERE, ["a"], ["loss"]) == {}


def test_a_filter_that_cannot_be_read_is_one_line(store: Store) -> None:
    with pytest.raises(TrackingError, match=r"runs where params\.depth ~ 1: ") as error:
        read_runs(HERE, "params.depth ~ 1")
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_database_of_mlflows_is_one_line(project: Path) -> None:
    with closing(sqlite3.connect("mlflow.db")) as other:
        other.execute("CREATE TABLE a (b)")
    with pytest.raises(TrackingError, match=r"mlflow\.db: cannot be read as a database of MLflow's \(no such table"):
        read_runs(HERE)
    Path("mlflow.db").write_text("not a database, whatever its name says", encoding="utf-8")
    with pytest.raises(TrackingError, match=r"cannot be read as a database of MLflow's \(file is not a database\)"):
        read_runs(HERE)


def test_a_run_of_before_there_was_a_setting_has_the_value_that_it_was_made_with(store: Store) -> None:
    record(store, "older", [0.5], **{"data.name": "sample"})
    record(store, "newer than that", [0.5], **{"data.name": "sample", "data.random_flip": "true"})
    found = {run.name: run.params["data.random_flip"] for run in read_runs(HERE)}
    assert found == {"older": "false", "newer than that": "true"}


def test_a_database_that_cannot_be_opened_is_one_line(project: Path) -> None:
    with pytest.raises(TrackingError, match=r"gone\.db: cannot be read as .* \(unable to open database file\)"):
        _read_only(Path("gone.db"))


def test_more_ids_than_a_query_takes_are_no_trouble(store: Store) -> None:
    first = record(store, "first", [0.5])
    assert read_curves(HERE, [first, *map(str, range(2000))], ["loss"]) == {first: {"loss": [(1, 0.5)]}}


def test_a_run_that_was_gone_on_with_has_the_settings_that_it_ended_with(store: Store) -> None:
    run_id = record(store, "longer", [0.5], **{"training.epochs": 1})
    for key, value in (("resume.2.training.epochs", "30"), ("resume.10.training.epochs", "50"), ("resume.1.host", "x")):
        store.client.set_tag(run_id, key, value)
    for asked in (None, "tags.a = 'longer'"):
        (run,) = read_runs(HERE, asked)
        assert run.params == {"training.epochs": "50"}


def test_the_score_is_that_of_the_epoch_whose_weights_were_kept(store: Store) -> None:
    run_id = record(store, "one", [0.5], **{"training.restore_best_weights": "true"})
    store.client.log_metric(run_id, "val_accuracy", 0.6)
    store.client.log_metric(run_id, "best_val_accuracy", 0.7)
    assert [run.kept_validation for run in read_runs(HERE)] == [0.7]
    store.client.set_tag(run_id, "resume.1.training.restore_best_weights", "false")
    assert [run.kept_validation for run in read_runs(HERE)] == [0.6]
