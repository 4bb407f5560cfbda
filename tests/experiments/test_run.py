"""The command before Hydra takes over: test_launch.py has what it does then, test_end_to_end.py all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.run import main
from experiments.usage import help_text


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["model=model2", "--help"], ["--help", "no=such", "-m"]])
def test_help_is_shown_and_nothing_is_done(argv: list[str], project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    assert capsys.readouterr() == (help_text([]), "")
    assert list(project.iterdir()) == []


def test_all_else_is_hydras(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seed=-1"]) == 2
    assert capsys.readouterr().err == "error: seed=-1: expected a whole number at least 0 and below 4294967296\n"
