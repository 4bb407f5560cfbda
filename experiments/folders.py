"""Where a command writes: a folder of its own, however many start at once."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from experiments.commandline import CommandLine
from experiments.tracking.redaction import redact


def new_folder(parent: str) -> Path:
    """Make a folder named after the time, with a short id: runs that start in the same second stay apart."""
    Path(parent).mkdir(exist_ok=True)
    while True:
        folder = Path(parent) / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{secrets.token_hex(2)}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder


def option(overrides: list[str], key: str) -> str | None:
    """The value that was typed for a key, without quotes; the last one counts."""
    values = [value for name, _, value in (item.partition("=") for item in overrides) if name.lstrip("+") == key]
    return values[-1].strip("'\"") if values else None


def hydra_arguments(argv: list[str], typed: CommandLine, extra: str) -> list[str]:
    """The command line for Hydra with one more override; the flags have to come before all of them."""
    flags = [item for item in argv if item not in typed.overrides]
    given = extra.partition("=")[0]
    return [*flags, *typed.overrides, *([] if option(typed.overrides, given) else [extra])]


def redact_files(folder: Path) -> None:
    """Take secrets out of the YAML files of a folder: Hydra writes down what was typed, which may hold a password.

    Jobs of a multirun may do so at the same time, and a reader sees one version or the other.
    """
    for file in folder.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        if (shown := redact(text)) != text:
            unfinished = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
            unfinished.write_text(shown, encoding="utf-8")
            unfinished.replace(file)
