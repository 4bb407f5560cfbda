"""What a run left behind is fetched from wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.tracking.artifacts import fetch, folder_of
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
    folder = folder_of(run, f"sqlite:///{database}")
    assert folder is not None
    (folder / "link.txt").symlink_to(database)
    assert fetch(run, "link.txt", HERE, Path()) is None


def test_where_artifacts_are(new_recorder: NewRecorder, database: Path) -> None:
    with new_recorder():
        pass
    (run,) = read_runs(HERE)
    uri = f"sqlite:///{database}"
    assert folder_of(replace(run, artifact_uri="mlruns/1/a/artifacts"), uri) == database.parent / "mlruns/1/a/artifacts"
    assert folder_of(replace(run, artifact_uri="file:///a%20b/c"), uri) == Path("/a b/c")
    assert folder_of(replace(run, artifact_uri="s3://bucket/a"), uri) is None
    assert folder_of(run, "http://127.0.0.1:5000") is None
