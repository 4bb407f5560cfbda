"""SIGTERM as an exception, so that a run that is told to stop still closes its record."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED_BY_CTRL_C = 128 + signal.SIGINT
"""The exit code of a command that Ctrl-C ended."""


class Terminated(BaseException):
    """The process was sent SIGTERM. Not an Exception: `except Exception` must not swallow it."""

    exit_code = 128 + signal.SIGTERM


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within, Ctrl-C is ignored: an impatient second one must not cut short what the first one began."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN) or signal.SIG_DFL
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def held_back() -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM wait for the end: a write that is broken off leaves the database locked."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, lambda signum, frame: came.append(signum)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)
        for first in came[:1]:
            signal.raise_signal(first)


@contextmanager
def raise_on_sigterm() -> Iterator[None]:
    """Within, SIGTERM raises Terminated in the main thread; afterwards the handler is what it was.

    A second SIGTERM is ignored, so that it cannot cut short the closing that the first one began. In another
    thread this does nothing: Python delivers signals to the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated("SIGTERM")

    # None: a handler that was not installed from Python
    previous = signal.signal(signal.SIGTERM, stop) or signal.SIG_DFL
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
