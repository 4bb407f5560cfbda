"""Two processes that bring the same record at the same moment."""

from __future__ import annotations

import os
from pathlib import Path

from experiments.sync import main as sync
from tests.soak.forks import apart, at_once


def bring_at_once(project: Path, *arguments: str) -> list[tuple[str, int]]:
    """Two real processes from the same moment on; their errors and exit codes."""
    apart(_bring, project, arguments=arguments)
    ends = [(project / f"{number}.err", project / f"{number}.code") for number in range(2)]
    return [(errors.read_text(), int(code.read_text())) for errors, code in ends]


def _bring(arguments: tuple[str, ...]) -> None:
    def one(number: int) -> None:
        os.dup2(os.open(f"{number}.err", os.O_WRONLY | os.O_CREAT), 2)
        Path(f"{number}.code").write_text(str(sync(list(arguments))))

    at_once(one, 2)
