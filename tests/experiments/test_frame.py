"""What every command that answers has in common: help, one line for a mistake, and its exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cifar.checkpoints import CheckpointError
from cifar.fields import ConfigError
from cifar.proof import DataError
from experiments.frame import answer, new_parser, tell_error
from experiments.schema import UsageError
from experiments.tracking.service import TrackingError

pytestmark = pytest.mark.usefixtures("signals_arrive")

ROOT = Path(__file__).resolve().parents[2]


def nothing(argv: list[str]) -> int:
    raise AssertionError(argv)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_shown_before_anything_is_done(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["RUN", flag], "how it is used\n", nothing) == 0
    assert capsys.readouterr().out == "how it is used\n"


def test_the_exit_code_is_that_of_the_work() -> None:
    assert [answer(["a"], "", len), answer(["a", "b"], "", len)] == [1, 2]


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
    def work(argv: list[str]) -> int:
        raise error

    assert answer([], "", work) == 2
    assert capsys.readouterr().err == f"error: {error}\n"


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGINT, 130, "stopped by Ctrl-C\n"), (signal.SIGTERM, 143, "stopped by SIGTERM\n")],
)
def test_a_signal_ends_it_without_a_traceback(
    number: int, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(argv: list[str]) -> int:
        signal.raise_signal(number)
        return 0

    assert answer([], "", work) == code
    assert capsys.readouterr() == ("", told)


def test_an_unknown_flag_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="unrecognized arguments: --al"):
        new_parser("report").parse_args(["--al"])


def test_a_line_break_and_an_escape_in_a_name_are_shown_and_a_secret_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "canary-bird")
    tell_error(TrackingError("run a\nb\x1b[31m\u2028é \udc80: canary-bird"))
    assert capsys.readouterr().err == "error: run a\\nb\\x1b[31m\\u2028é \\udc80: ***\n"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    script = "from experiments.frame import answer; exit(answer([], '', lambda argv: print('x' * 10**6) or 0))"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
