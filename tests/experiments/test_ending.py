"""How every command ends: an exit code, one line for a mistake or a stop, and no traceback for want of a reader."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from cifar.checkpoints import CheckpointError
from cifar.fields import ConfigError
from cifar.proof import DataError
from experiments.doctor import main as doctor
from experiments.ending import framed, let_go, tell_error
from experiments.sync import main as sync
from experiments.tracking.service import TrackingError

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("run", "sweep", "sync", "ui", "doctor", "predict", "compare", "reproduce", "report", "promote")

STOPPED = """\
import os, signal, time
os.kill(os.getpid(), signal.{name})
time.sleep(60)
"""
"""In the place of a library that every command imports: a stop comes in the middle of that."""


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("seed", -1, "a number"),
        TrackingError("no such run"),
        DataError("broken"),
        CheckpointError("damaged"),
        PermissionError(13, "Permission denied", "mlflow.db"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise error

    assert framed(work) == 2
    assert capsys.readouterr() == ("", f"error: {error}\n")


def test_what_is_ours_to_mend_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        framed(lambda: 1 // 0)


def test_a_line_break_and_an_escape_in_a_name_are_shown_and_a_secret_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "canary-bird")
    tell_error(TrackingError("run a\nb\x1b[31m\u2028é \udc80: canary-bird"))
    assert capsys.readouterr().err == "error: run a\\nb\\x1b[31m\\u2028é \\udc80: ***\n"


def test_a_stream_that_has_no_file_is_let_go_too(capsys: pytest.CaptureFixture[str]) -> None:
    let_go(sys.stdout)
    print("said")
    assert capsys.readouterr().out == "said\n"


@pytest.mark.parametrize("much", [1, 10**6])
def test_a_reader_that_goes_away_is_no_traceback(much: int) -> None:
    script = f"from experiments.ending import framed; exit(framed(lambda: print('x' * {much}) or 0))"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_the_output_is_one_line_and_exit_code_2(unbuffered: str) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "experiments.run", "--help"]
        env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "error: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("command", [lambda: sync(["--dry-run"]), lambda: sync(["--help"]), lambda: doctor(["--help"])])
def test_what_cannot_be_said_is_told_once(
    command: Callable[[], int], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full, redirect_stdout(full):  # noqa: PTH123
        assert command() == 2
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "code", "told"), [("SIGINT", 130, "Ctrl-C"), ("SIGTERM", 143, "SIGTERM"), ("SIGHUP", 129, "SIGHUP")]
)
def test_a_stop_before_a_command_has_begun_is_one_line(
    command: str, name: str, code: int, told: str, tmp_path: Path
) -> None:
    (tmp_path / "omegaconf.py").write_text(STOPPED.format(name=name))
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    typed = [sys.executable, "-m", f"experiments.{command}", *(["seed=1"] if command == "run" else [])]
    done = subprocess.run(typed, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"stopped by {told}\n")
