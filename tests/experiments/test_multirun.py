"""Several runs below one parent: one after another in this process, and two at a time with joblib."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from cifar.config import RunConfig
from experiments.commandline import CommandLine
from experiments.execution import write_result
from experiments.multirun import MEMBERSHIP_FILE, Membership, run_all
from experiments.results.leaderboard import FinishedRun
from experiments.schema import Settings
from experiments.sync import main as sync
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import open_recorder
from experiments.tracking.signals import Terminated
from experiments.tracking.store import Store, open_store
from tests.dumps import dump
from tests.services.mlflow_server import Proxy, Server

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Multirun:
    """A multirun that came to its end."""

    exit_code: int
    out: str
    err: str
    folder: Path
    parent: Any
    children: list[Any]

    def artifact(self, name: str) -> str:
        return (self.folder / self.parent.info.artifact_uri / name).read_text(encoding="utf-8")


def parent_and_children(store: Store) -> tuple[Any, list[Any]]:
    """The only multirun of a store; its children in the order that they began in."""
    runs = store.client.search_runs([store.experiment_id], order_by=["attributes.start_time ASC"])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == len(runs) - 1
    return parent, children


# --- one after another -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def half_diverges(
    tmp_path_factory: pytest.TempPathFactory,
    made_database: Path,
    tiny: tuple[str, ...],
    tensorflow_on_cpu: None,
    empty_pictures: None,
    exit_code: Callable[..., int],
) -> Multirun:
    """Two seeds each of a rate at which the loss becomes infinite and, after them, of one that learns."""
    folder = tmp_path_factory.mktemp("multirun")
    shutil.copy(made_database, folder)
    axes = ["optimizer.learning_rate=100,0.01", "seed=1,2"]
    common = ["compute=cpu", "training.epochs=5", "optimizer=sgd", "optimizer.weight_decay=0.9"]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        code = exit_code("-m", *tiny, *common, *axes, "tracking.log_model=false")
        parent, children = parent_and_children(open_store(TrackingConfig()))
    return Multirun(code, out.getvalue(), err.getvalue(), folder, parent, children)


def test_a_job_that_fails_is_shown_and_does_not_stop_the_others(half_diverges: Multirun) -> None:
    assert half_diverges.exit_code == 1
    assert [run.info.status for run in half_diverges.children] == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert half_diverges.err.count(" became NaN or infinite in epoch ") == 2
    assert "2 of 4 jobs finished; logs: multirun/" in half_diverges.out.splitlines()[-1]
    assert half_diverges.out.splitlines()[-1].endswith("; 2 failed")


def test_each_job_says_which_it_is(half_diverges: Multirun) -> None:
    lines = [line for line in half_diverges.out.splitlines() if line.startswith("job ")]
    assert [line.split(":")[0] for line in lines] == [f"job {number} of 4" for number in (1, 2, 3, 4)]
    assert " optimizer.learning_rate=0.01 seed=1 " in lines[2]


def test_the_parent_is_finished_and_says_what_failed(half_diverges: Multirun) -> None:
    assert half_diverges.parent.info.status == "FINISHED"
    assert half_diverges.parent.info.run_name == "multirun of 4"
    tags = half_diverges.parent.data.tags
    assert (tags["multirun.jobs"], tags["multirun.failed"]) == ("4", "2")
    assert "seed=1,2" in tags["multirun.overrides"]


def test_the_leaderboard_groups_seeds_and_is_the_parents_description(half_diverges: Multirun) -> None:
    text = half_diverges.artifact("leaderboard.md")
    assert half_diverges.parent.data.tags["mlflow.note.content"] == text.rstrip()
    board = json.loads(half_diverges.artifact("leaderboard.json"))
    (ranked,) = board["ranked"]
    values = [run.data.metrics["val_accuracy"] for run in half_diverges.children[2:]]
    assert ranked["validation"]["n"] == 2
    assert ranked["validation"]["mean"] == pytest.approx(sum(values) / 2)
    assert ranked["validation"]["deviation"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert {run["run_id"] for run in ranked["runs"]} == {run.info.run_id for run in half_diverges.children[2:]}
    assert [run["error"].split(":")[0] for run in board["unfinished"]] == ["TrainingDivergedError"] * 2
    assert "Ranked by val_accuracy, never by test." in half_diverges.out
    assert "\N{PLUS-MINUS SIGN}" in half_diverges.out


def test_every_job_has_a_folder_and_a_log_of_its_own(half_diverges: Multirun) -> None:
    (folder,) = (half_diverges.folder / "multirun").iterdir()
    for number in range(4):
        assert f"job {number + 1} of 4" in (folder / str(number) / "console.log").read_text()
        assert (folder / str(number) / "result.json").is_file()


# --- how all of it ends, whatever the jobs did -----------------------------------------------------


def command_line(jobs: int, *overrides: str, enabled: bool = True) -> CommandLine:
    settings = Settings(RunConfig(), TrackingConfig(enabled=enabled))
    return CommandLine(multirun=True, jobs=jobs, overrides=list(overrides), first=settings)


def leave_open(folder: Path) -> None:
    """A child whose process died: its run stays open."""
    membership = Membership.read(folder, 1, [])
    tracking = membership.adopt(Settings(RunConfig(), TrackingConfig())).tracking
    open_recorder(tracking, folder / "0", "child").__enter__()


@pytest.mark.parametrize(
    ("ending", "exit_code", "status"),
    [
        (KeyboardInterrupt(), 130, "KILLED"),
        (Terminated(), 143, "KILLED"),
        (Terminated(signal.SIGHUP), 129, "KILLED"),
        (SystemExit(1), 1, "FINISHED"),
    ],
)
def test_a_run_whose_process_was_killed_does_not_stay_open(
    store: Store, project: Path, ending: BaseException, exit_code: int, status: str
) -> None:
    def launch() -> None:
        leave_open(project)
        raise ending

    assert run_all(command_line(1), project, launch) == exit_code
    parent, (child,) = parent_and_children(store)
    assert (parent.info.status, child.info.status) == (status, "KILLED")


def test_a_multirun_whose_output_nobody_reads_any_more_goes_on_to_its_end(
    store: Store, project: Path, unread: AbstractContextManager[None]
) -> None:
    def launch() -> None:
        (project / "0").mkdir()
        write_result(project / "0", FinishedRun("id", "one", "FINISHED", {"seed": "0"}, {"val_accuracy": 0.5}))

    with unread:
        assert run_all(command_line(1), project, launch) == 0
    (parent,) = store.client.search_runs([store.experiment_id])
    assert parent.info.status == "FINISHED"


def test_a_job_that_left_no_result_has_failed(store: Store, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def launch() -> None:
        (project / "0").mkdir()
        write_result(project / "0", FinishedRun("id", "one", "FINISHED", {"seed": "0"}, {"val_accuracy": 0.5}))

    assert run_all(command_line(2), project, launch) == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"1 of 2 jobs finished; logs: {project}; 1 failed"
    parent, _ = parent_and_children(store)
    assert "its process died without a word" in parent.data.tags["mlflow.note.content"]


def test_a_store_that_cannot_be_used_starts_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "mlflow.db").write_text("no database")
    assert run_all(command_line(2), project, lambda: pytest.fail("launched")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: mlflow.db: cannot be read as a database")


def test_jobs_of_a_server_that_was_away_are_brought_below_their_parent(
    proxy: Proxy, server: Server, project: Path, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy.close()
    tracking = TrackingConfig(uri=proxy.uri, experiment="away")
    folder = project / "multirun" / "m"

    def launch() -> None:
        membership = Membership.read(folder, 1, [])
        settings = membership.adopt(Settings(RunConfig(), tracking))
        with open_recorder(settings.tracking, folder / "0", "child") as child:
            child.log_epoch(1, {"loss": 1.0})
        write_result(folder / "0", FinishedRun("", "child", "FINISHED", {"seed": "0"}, {"val_accuracy": 0.5}))

    typed = CommandLine(multirun=True, jobs=1, overrides=[], first=Settings(RunConfig(), tracking))
    assert run_all(typed, folder, launch) == 0
    assert f"warning: {proxy.uri} does not take the record (Connection refused)" in capsys.readouterr().out
    proxy.open()
    assert sync([]) == 0
    runs = dump(MlflowClient(server.uri), "away")
    assert {name: run["parent"] for name, run in runs.items()} == {"multirun of 1": None, "child": "multirun of 1"}
    assert runs["child"]["latest"] == {"loss": "1.0"}
    assert set(runs["multirun of 1"]["artifacts"]) == {"leaderboard.md", "leaderboard.json"}


def test_without_tracking_there_is_no_parent_but_a_leaderboard(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def launch() -> None:
        assert Membership.read(project, 1, []).parent_run_id is None
        (project / "0").mkdir()
        write_result(project / "0", FinishedRun("", "one", "FINISHED", {"seed": "0"}, {"val_accuracy": 0.5}))

    assert run_all(command_line(1, enabled=False), project, launch) == 0
    assert "50.00" in capsys.readouterr().out
    assert not (project / "mlflow.db").exists()


@pytest.mark.parametrize(("overrides", "live"), [([], True), (["hydra/launcher=joblib"], False)])
def test_jobs_side_by_side_show_no_bars(project: Path, overrides: list[str], live: bool) -> None:
    shared: list[Membership] = []
    typed = command_line(3, *overrides, enabled=False)
    run_all(typed, project, lambda: shared.append(Membership.read(project, 2, ["seed=1", "model=model2"])))
    assert shared == [Membership(2, 3, None, live, ("seed=1", "model=model2"))]
    assert shared[0].headline() == "\njob 2 of 3: seed=1 model=model2"
    assert (project / MEMBERSHIP_FILE).is_file()


# --- two at a time, as a user types it -------------------------------------------------------------

WATCH_CONNECTIONS = """
import os, sys

def watch(event, args):
    if event in ("socket.connect", "socket.sendto"):
        place = args[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        place = args
    else:
        return
    if isinstance(place, tuple) and str(place[0]) not in ("127.0.0.1", "::1", "localhost", "None"):
        with open(os.environ["CONNECTIONS"], "a") as file:
            file.write(f"{event} {place}\\n")

sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[str, str]]:
    """Runs Python with arguments; returns what it printed and every connection that it or a child of it tried."""
    watcher = tmp_path_factory.mktemp("watcher")
    (watcher / "sitecustomize.py").write_text(WATCH_CONNECTIONS)

    def run(folder: Path, *arguments: str) -> tuple[str, str]:
        seen = folder / "connections.txt"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
            "PYTHONPATH": os.pathsep.join([str(watcher), str(ROOT)]),
            "CONNECTIONS": str(seen),
        }
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, seen.read_text() if seen.exists() else ""

    return run


def test_the_watcher_sees_a_connection(python: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    reserved_for_documentation = "192.0.2.1"
    script = f"import socket; socket.socket(type=socket.SOCK_DGRAM).connect(({reserved_for_documentation!r}, 9))"
    _, connections = python(tmp_path, "-c", f"import contextlib\nwith contextlib.suppress(OSError):\n {script}")
    assert connections == "socket.connect ('192.0.2.1', 9)\n"


def test_two_workers_run_at_the_same_time_and_nothing_leaves_the_machine(
    python: Callable[..., tuple[str, str]], project: Path, database: Path, tiny: tuple[str, ...]
) -> None:
    joblib = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "compute=cpu", "compute.threads=1"]
    out, connections = python(
        project,
        "-m",
        "experiments.run",
        "-m",
        *tiny,
        *joblib,
        "training.epochs=2",
        "tracking.log_model=false",
        "seed=1,2",
    )
    assert connections == ""
    assert "2 of 2 jobs finished" in out.splitlines()[-1]
    parent, children = parent_and_children(open_store(TrackingConfig()))
    assert [run.info.status for run in (parent, *children)] == ["FINISHED"] * 3
    assert sorted(run.data.params["seed"] for run in children) == ["1", "2"]
    (first, second) = [times(project, number) for number in (0, 1)]
    assert first[0] < second[1], "the second began before the first ended"
    assert second[0] < first[1], "and the other way round"


def times(project: Path, number: int) -> tuple[str, str]:
    """When a job's log began and ended."""
    (log,) = (project / "multirun").glob(f"*/{number}/console.log")
    stamps = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", log.read_text(), re.MULTILINE)
    return stamps[0], stamps[-1]
