"""What every command that answers has in common: help, flags, and that it can be stopped."""

from __future__ import annotations

import signal

import pytest

from experiments.frame import answer, new_parser
from experiments.schema import UsageError

pytestmark = pytest.mark.usefixtures("signals_arrive")


def nothing(argv: list[str]) -> int:
    raise AssertionError(argv)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_shown_before_anything_is_done(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["RUN", flag], "how it is used\n", nothing) == 0
    assert capsys.readouterr().out == "how it is used\n"


def test_the_exit_code_is_that_of_the_work() -> None:
    assert [answer(["a"], "", len), answer(["a", "b"], "", len)] == [1, 2]


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGINT, 130, "stopped by Ctrl-C\n"),
        (signal.SIGTERM, 143, "stopped by SIGTERM\n"),
        (signal.SIGHUP, 129, "stopped by SIGHUP\n"),
    ],
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
