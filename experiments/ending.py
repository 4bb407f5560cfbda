"""How a command ends: whatever comes of its work, an exit code and, if it is for the user to mend, one line.

It imports next to nothing: the help of `experiments.run` does not wait for more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

from experiments.tracking.signals import Terminated, code_of, name_of

MENDABLE = 2
"""The exit code of what the user can mend."""


def framed(work: Callable[[], int]) -> int:
    """Do the work of a command, errors in one line.

    Returns:
        The exit code: that of the work, 2 for what the user can mend, 130 after Ctrl-C, 143 after SIGTERM, 129 after
        SIGHUP, and 1 if nobody reads what is said any more.
    """
    try:
        try:
            return work()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # `| head`
        let_go(sys.stdout)
        return 1
    except (KeyboardInterrupt, Terminated) as stop:
        print(f"stopped by {name_of(stop)}", file=sys.stderr)
        return code_of(stop)
    except Exception as error:
        if not _is_mendable(error):
            raise
        tell_error(error)
        _flush()
        return MENDABLE


def tell_error(error: BaseException) -> None:
    """Print an error as one line without secrets, whatever names are in it."""
    from cifar.fields import printable
    from experiments.tracking.redaction import redact

    print(f"error: {printable(redact(str(error)))}", file=sys.stderr)


def let_go(stream: TextIO) -> None:
    """Have what is still written to a stream, also when Python ends, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except OSError:  # io.UnsupportedOperation, of one that has no file
        pass
    finally:
        os.close(nowhere)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError:  # its disk is full
        let_go(sys.stdout)


def _is_mendable(error: Exception) -> bool:
    from cifar.checkpoints import CheckpointError
    from cifar.fields import ConfigError
    from cifar.proof import DataError
    from experiments.tracking.service import TrackingError

    return isinstance(error, ConfigError | TrackingError | DataError | CheckpointError | OSError)
