"""What a run left behind is fetched from wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.tracking.artifacts import fetch, folder_of, refuse_what_is_elsewhere
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import read_runs
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError
from tests.services.mlflow_server import Server

NewRecorder = Callable[..., Recorder]
HERE = TrackingConfig()


def test_an_artifact_of_this_machine_is_read_where_it_is(new_recorder: NewRecorder, database: Path) -> None:
    with new_recorder() as recorder:
        recorder.log_text("seventeen", "notes/a.txt")
    (run,) = read_runs(HERE)
    file = fetch(run, "notes/a.txt", HERE, Path("aside"))
    assert file is not None
    assert file.read_text() == "seventeen"
    assert file.is_relative_to(Path("mlruns").resolve())
    assert fetch(run, "notes/b.txt", HERE, Path("aside")) is None
    assert fetch(run, "notes", HERE, Path("aside")) is None
    assert not Path("aside").exists()


def test_one_that_a_server_keeps_is_downloaded(project: Path, new_recorder: NewRecorder, server: Server) -> None:
    config = TrackingConfig(uri=server.uri, experiment="artifacts")
    with new_recorder(config) as recorder:
        recorder.log_text("seventeen", "notes/a.txt")
        recorder.log_text("eighteen", "b.txt")
    (run,) = [run for run in read_runs(config) if run.experiment == "artifacts"]
    for name, text in (("notes/a.txt", "seventeen"), ("b.txt", "eighteen")):
        file = fetch(run, name, config, project / "aside")
        assert file is not None
        assert file.read_text() == text
    assert fetch(run, "notes/b.txt", config, project / "aside") is None


@pytest.mark.parametrize("name", ["../a.txt", "/etc/passwd", "notes/../../a.txt"])
def test_no_name_leads_out_of_a_run(new_recorder: NewRecorder, database: Path, name: str) -> None:
    with new_recorder():
        pass
    (run,) = read_runs(HERE)
    with pytest.raises(TrackingError, match="leads out of the run's own"):
        fetch(run, name, HERE, Path())


def test_nor_does_a_link(new_recorder: NewRecorder, database: Path) -> None:
    with new_recorder() as recorder:
        recorder.log_text("seventeen", "a.txt")
    (run,) = read_runs(HERE)
    folder = folder_of(run.artifact_uri, f"sqlite:///{database}")
    assert folder is not None
    (folder / "link.txt").symlink_to(database)
    assert fetch(run, "link.txt", HERE, Path()) is None


def test_where_artifacts_are(database: Path) -> None:
    uri = f"sqlite:///{database}"
    assert folder_of("mlruns/1/a/artifacts", uri) == database.parent / "mlruns/1/a/artifacts"
    assert folder_of("file:///a%20b/c", uri) == Path("/a b/c")
    assert folder_of("s3://bucket/a", uri) is None
    assert folder_of("mlruns/1/a/artifacts", "http://127.0.0.1:5000") is None


@pytest.mark.parametrize(
    ("location", "uri", "told"),
    [
        ("mlflow-artifacts:/1/a", "sqlite:///mlflow.db", "its files are kept by a server of MLflow's"),
        ("/srv/none/1/a", "http://host:5000", "its files are in /srv/none/1/a on the server's machine, which does not"),
        ("mlruns/none", "http://host:5000", "its files are in mlruns/none on the server's machine, which does not"),
    ],
)
def test_what_cannot_be_had_from_here_is_said_and_not_taken_for_missing(location: str, uri: str, told: str) -> None:
    with pytest.raises(TrackingError, match=f"^run 1: {told}"):
        refuse_what_is_elsewhere("run 1", location, uri)


@pytest.mark.parametrize(
    ("location", "uri"),
    [
        ("mlflow-artifacts:/1/a", "http://host:5000"),
        ("s3://bucket/a", "http://host:5000"),
        ("s3://bucket/a", "sqlite:///a"),
    ],
)
def test_what_a_service_gives_out_is_asked_for(location: str, uri: str) -> None:
    refuse_what_is_elsewhere("run 1", location, uri)
