"""Where a command writes: a folder of its own, however many start at once."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from tempfile import TemporaryFile

from cifar.fields import ConfigError
from experiments.commandline import CommandLine, text_of
from experiments.tracking.redaction import redact

CONFIG_FILE = Path(".hydra", "config.yaml")
"""Where, in a run's folder, it is written what the run was composed of."""


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


def typed_folder(key: str, name: str) -> Path:
    """Make the folder that was typed for a key, if it is not there.

    Raises:
        ConfigError: it cannot be made, or no file in it.
    """
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(key, name, f"a folder that can be written to ({error.strerror})") from None
    return folder


def option(overrides: list[str], key: str) -> str | None:
    """The text that was typed for a key, without quotes; the last one counts."""
    typed = [item for item in overrides if item.partition("=")[0].lstrip("+") == key]
    return text_of(typed[-1]) if typed else None


def hydra_arguments(argv: list[str], typed: CommandLine, extra: list[str]) -> list[str]:
    """The command line for Hydra with more overrides, which count more; the flags have to come before all of them."""
    flags = [item for item in argv if item not in typed.overrides]
    return [*flags, *typed.overrides, *extra]


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


def write_config(folder: Path, text: str) -> None:
    """Keep the configuration that a run goes on with in its folder; a reader sees the old one or the new one."""
    path = folder / CONFIG_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
