"""The frame of a command that answers a question: its help, its flags, errors of one line, and exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from experiments.ending import framed
from experiments.schema import UsageError
from experiments.tracking.signals import raise_on_stop


class Parser(argparse.ArgumentParser):
    """Refuses a command line as everything else is refused."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError("command line", message, "See --help")


def new_parser(command: str) -> Parser:
    """One for `python -m experiments.COMMAND`, whose help is a text of its own (see `answer`)."""
    return Parser(prog=f"python -m experiments.{command}", add_help=False, allow_abbrev=False)


def answer(argv: list[str], told: str, work: Callable[[list[str]], int]) -> int:
    """Show the help `told`, if it is asked for, or else do the work; returns the exit code (see `framed`)."""

    def show_or_do() -> int:
        if {"--help", "-h"} & {*argv}:
            print(told, end="")
            return 0
        with raise_on_stop():
            return work(argv)

    return framed(show_or_do)
