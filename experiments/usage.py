"""The folder of settings, and what `python -m experiments.run --help` says of it, sooner than Hydra would."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any

import yaml  # type: ignore[import-untyped]

CONF = Path(__file__).resolve().parent.parent / "conf"
CONFIG_DIR = ("--config-dir", "-cd")
"""Hydra's flag for a folder of one's own beside conf/."""


def asks_for_help(argv: list[str]) -> bool:
    """Whether a command line asks for our help; `--hydra-help` is for Hydra to answer."""
    return not {"--help", "-h"}.isdisjoint(argv)


def help_text(argv: list[str]) -> str:
    """What conf/hydra/help/run.yaml says, with the options that there are, those of `--config-dir` among them."""
    folders = [CONF, *_folders_of_ones_own(argv)]
    options = (f"{group}: {', '.join(_options(folders, group))}\n" for group in sorted(_groups()))
    return Template(_read(CONF / "hydra" / "help" / "run.yaml")["template"]).substitute(
        APP_CONFIG_GROUPS="".join(options)
    )


def _groups() -> list[str]:
    """Those that a run is composed of."""
    picked = (item for item in _read(CONF / "config.yaml")["defaults"] if isinstance(item, dict))
    return [group for item in picked for group in item if not group.startswith("override ")]


def _options(folders: Iterable[Path], group: str) -> list[str]:
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})


def _folders_of_ones_own(argv: list[str]) -> list[Path]:
    """What is given for CONFIG_DIR, as FLAG=FOLDER or as FLAG FOLDER."""
    joined = [value for flag, _, value in (item.partition("=") for item in argv) if flag in CONFIG_DIR and value]
    return [Path(folder) for folder in joined + [folder for flag, folder in pairwise(argv) if flag in CONFIG_DIR]]


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
