"""The frame of a command that answers a question: its help, its flags, errors of one line, and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from cifar.fields import ConfigError, printable
from experiments.schema import UsageError
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError
from experiments.tracking.signals import STOPPED_BY_CTRL_C, Terminated, raise_on_stop

MENDABLE = 2
"""The exit code of what the user can mend."""


class Parser(argparse.ArgumentParser):
    """Refuses a command line as everything else is refused."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError("command line", message, "See --help")


def new_parser(command: str) -> Parser:
    """One for `python -m experiments.COMMAND`, whose help is a text of its own (see `answer`)."""
    return Parser(prog=f"python -m experiments.{command}", add_help=False, allow_abbrev=False)


def answer(argv: list[str], told: str, work: Callable[[list[str]], int]) -> int:
    """Show the help `told`, if it is asked for, or else do the work.

    Returns:
        The exit code: that of the work, 2 for what the user can mend, 130 after Ctrl-C, 143 after SIGTERM, and 1 if
        nobody reads what is said any more.
    """
    if {"--help", "-h"} & {*argv}:
        print(told, end="")
        return 0
    from cifar.checkpoints import CheckpointError  # with NumPy, which a mistyped `experiments.run` does not wait for
    from cifar.proof import DataError

    try:
        with raise_on_stop():
            code = work(argv)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # `| head`; what is left in the buffer must not come up again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ConfigError, TrackingError, DataError, CheckpointError, OSError) as error:
        tell_error(error)
        return MENDABLE
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)
        return STOPPED_BY_CTRL_C
    except Terminated:
        print("stopped by SIGTERM", file=sys.stderr)
        return Terminated.exit_code


def tell_error(error: BaseException) -> None:
    """Print an error as one line without secrets, whatever names are in it."""
    print(f"error: {printable(redact(str(error)))}", file=sys.stderr)
