"""`python -m experiments.doctor` on what really happens: killed processes, damaged files, foreign databases."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments import doctor as command
from experiments.doctor import main as doctor
from experiments.health.findings import Finding, Level, note, problem
from experiments.tracking.store import Store
from tests.dumps import dump

RUNS = """
import os, signal, sys, time
from pathlib import Path
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import import_mlflow
import_mlflow()
import mlflow.store.tracking.sqlalchemy_store

def record(name):
    config = TrackingConfig(parent_run_id=sys.argv[1])
    with Recorder(config, Path("outputs", name), run_name=name) as recorder:
        recorder.log_epoch(1, {"loss": 1.5})
        recorder.log_text("hello", "a.txt")
        print(name, os.getpid(), recorder.run_id, flush=True)
        time.sleep(300)

children = {}
for name in sys.argv[2:]:
    children[name] = os.fork()
    if not children[name]:
        record(name)
for line in sys.stdin:
    os.waitpid(children.pop(line.strip()), 0)
    print("gone", flush=True)
for child in children.values():
    os.kill(child, signal.SIGKILL)
"""


@dataclass(frozen=True)
class Running:
    """Processes that write a run each, until they are killed: their ids and those of the runs, by name."""

    parent: subprocess.Popen[str]
    pids: dict[str, int]
    ids: dict[str, str]

    def wait(self, name: str) -> None:
        """A killed process stays a zombie until its parent asks for its end."""
        assert self.parent.stdin
        assert self.parent.stdout
        self.parent.stdin.write(f"{name}\n")
        self.parent.stdin.flush()
        assert self.parent.stdout.readline() == "gone\n"


@contextmanager
def running(parent_run: str, *names: str) -> Iterator[Running]:
    """They have recorded something by now."""
    command = [sys.executable, "-c", RUNS, parent_run, *names]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            found = [process.stdout.readline().split() for _ in names]
            yield Running(process, {name: int(pid) for name, pid, _ in found}, {name: run for name, _, run in found})
        finally:
            process.stdin.close()


def test_killed_runs_are_found_and_closed_with_all_that_is_known_and_live_ones_are_not_touched(
    store: Store, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = store.client.create_run(store.experiment_id, run_name="above").info.run_id
    store.client.set_terminated(parent)
    with running(parent, "killed", "vanished", "alive") as processes:
        for name in ("killed", "vanished"):
            os.kill(processes.pids[name], signal.SIGKILL)
        processes.wait("vanished")  # the other one stays a zombie: nobody has asked for its end
        shutil.rmtree(project / "outputs" / "vanished")

        assert doctor(["--no-timing"]) == 1
        printed = capsys.readouterr().out
        for name in ("killed", "vanished"):
            pid, run_id = processes.pids[name], processes.ids[name]
            assert f"  problem  {name} (run {run_id}) is RUNNING in the store, but process {pid} of this " in printed
        (project / "outputs" / "killed" / "ledger.jsonl").touch()
        assert doctor(["--no-timing"]) == 1
        assert "python -m experiments.sweep resume=outputs/killed\n" in capsys.readouterr().out
        (project / "outputs" / "killed" / "ledger.jsonl").unlink()
        closes, goes_on = "--fix completes and closes it from its journal", "python -m experiments.run resume=outputs/"
        assert f"           {closes}; to go on with it: {goes_on}killed\n" in printed
        assert "  ok       1 run at work. alive (run " in printed
        assert printed.splitlines()[-1] == "2 problems, 0 warnings; --fix mends 2 of them"
        assert {run["status"] for name, run in dump(store.client, "cifar10").items() if name != "above"} == {"RUNNING"}

        assert doctor(["--no-timing", "--fix"]) == 0
        assert "  mended   killed (run " in capsys.readouterr().out
        runs = dump(store.client, "cifar10")
        assert {name: run["status"] for name, run in runs.items()} == {
            "above": "FINISHED",
            "killed": "KILLED",
            "vanished": "KILLED",
            "alive": "RUNNING",
        }
        for name in ("killed", "vanished"):
            run = runs[name]
            ((_, step, value, measured),) = run["metrics"]
            assert (step, value, run["artifacts"], run["parent"]) == (1, "1.5", {"a.txt": b"hello"}, "above")
            assert measured <= run["times"][1] <= measured + 5000, "it ended when it was last heard of"
            assert run["tags"]["stop_reason"].endswith("closed by experiments.doctor")
        assert doctor(["--no-timing"]) == 0


def test_a_foreign_database_is_told_and_everything_else_is_looked_at_all_the_same(
    database: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    (project / "outputs").mkdir()
    before = database.read_bytes()
    assert doctor(["--no-timing", "--fix"]) == 1
    printed = capsys.readouterr().out
    assert "  problem  mlflow.db: was written by an older MLflow (schema 451aebb31d03, " in printed
    titles = [line for line in printed.splitlines() if not line.startswith(" ")]
    assert titles == [
        *("Packages", "Store", "Journals", "Checkpoints", "Leftovers", "Data", "Disk and memory", "GPU"),
        "1 problem, 0 warnings",
    ]
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--uri", "./mlruns"], "error: --uri=./mlruns: expected the address of a database or a server"),
        (["nowhere"], "error: nowhere: no such folder"),
        (["--fixx"], "error: command line: unrecognized arguments: --fixx. See --help"),
    ],
)
def test_a_mistake_in_the_command_line_is_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    assert doctor(argv) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.startswith(says), printed.err.count("\n")) == ("", True, 1)


@pytest.fixture
def finds(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the only check finds."""
    found: list[Finding] = []
    monkeypatch.setattr(command, "checks", lambda *asked: iter([("Check", lambda tell: found)]))
    return found


def test_notes_do_not_make_the_command_fail(finds: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    finds.append(note("known"))
    assert doctor([]) == 0
    assert capsys.readouterr().out == "Check\n  note     known\nall is well\n"


def test_what_cannot_be_mended_stays_a_problem(finds: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> str:
        raise OSError("read-only")

    finds += [problem("a", "do this", lambda: "did that"), problem("b", "do this", refuse)]
    assert doctor(["--fix"]) == 1
    assert capsys.readouterr().out == (
        "Check\n"
        "  problem  b; it could not be mended: read-only\n"
        "           do this\n"
        "  mended   did that\n"
        "1 problem, 1 mended, 0 warnings\n"
    )


def test_many_lines_of_one_kind_are_counted(finds: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    finds += [problem(str(number)) for number in range(1500)]
    assert doctor([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["  problem  and 1,480 more like these", "1,500 problems, 0 warnings"]
    assert len(lines) == 23


def test_a_check_that_fails_is_a_problem_and_the_next_one_follows(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(tell: object) -> Iterator[Finding]:
        yield note("before")
        raise PermissionError(13, "Permission denied", "outputs")

    monkeypatch.setattr(command, "checks", lambda *asked: iter([("One", fails), ("Two", lambda tell: [note("well")])]))
    assert doctor([]) == 1
    printed = capsys.readouterr().out
    assert "  problem  [Errno 13] Permission denied: 'outputs'\nTwo\n  note     well\n" in printed


def test_ctrl_c_ends_it(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*asked: object) -> Iterator[object]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(command, "checks", stop)
    assert doctor([]) == 130
    assert capsys.readouterr() == ("", "stopped by Ctrl-C\n")


def test_networks_are_timed_unless_that_is_not_wanted(project: Path) -> None:
    titles = [title for title, _ in command.checks("sqlite:///mlflow.db", [Path("outputs")], timing=True)]
    assert titles[-1] == "Cost"
    assert "Cost" not in dict(command.checks("sqlite:///mlflow.db", [Path("outputs")], timing=False))


def test_levels_have_their_colours() -> None:
    assert command.STYLES.keys() == set(Level)
