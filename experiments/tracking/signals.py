"""Ctrl-C, SIGTERM and SIGHUP as exceptions that arrive, so that a run that is told to stop still closes its record.

Standard library only: a command imports it before all else.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

AGAIN_SECONDS = 3.0
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(BaseException):
    """The process was sent SIGTERM or SIGHUP. Not an Exception: `except Exception` must not swallow it."""

    def __init__(self, number: signal.Signals = signal.SIGTERM) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return self.number.name


Stop = KeyboardInterrupt | Terminated

_raised: list[Stop] = []
"""The stop that the main thread was told of, until the block of `raise_on_stop` that heard of it is left."""


def name_of(stop: Stop) -> str:
    """What stopped the process, in a word."""
    return str(stop) if isinstance(stop, Terminated) else "Ctrl-C"


def code_of(stop: Stop) -> int:
    """The exit code of a command that was stopped, as shells have it."""
    return 128 + (stop.number if isinstance(stop, Terminated) else signal.SIGINT)


def end_on_stop() -> None:
    """From now on a stop ends this process at once, in one line, as long as there is nothing to close yet.

    For the time of imports: an exception would be a traceback through them, if they let it through at all.
    `raise_on_stop` goes before it.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        stop = _stop(signum)
        with suppress(OSError):
            os.write(2, f"stopped by {name_of(stop)}\n".encode())
        os._exit(code_of(stop))

    for number in _heard():
        signal.signal(number, end)


def stop_behind(error: BaseException) -> Stop | None:
    """The stop that a library made this exception of; None if there was none.

    It may have swallowed the stop and failed for want of what it broke off: Keras asks for a tensor's size within an
    `except:` that catches everything. So an exception that comes after a stop counts as made of it.
    """
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, Stop):
        seen = seen.__cause__ or seen.__context__
    if seen is None and _raised and threading.current_thread() is threading.main_thread():
        return _raised[-1]
    return seen


@contextmanager
def held_back() -> Iterator[Sequence[int]]:
    """Within, a stop waits for the end: a write that is broken off leaves the database locked.

    Gives the signals that wait, which may hurry what is done. `raise_on_stop` knows a second stop and drops it.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    numbers = (*_heard(), signal.SIGALRM)
    previous: dict[signal.Signals, Any] = {
        number: signal.signal(number, lambda signum, frame: came.append(signum)) for number in numbers
    }
    try:
        yield came
    finally:
        _restore(previous)
        for first in came[:1]:
            signal.raise_signal(first)


@contextmanager
def raise_on_stop() -> Iterator[None]:
    """Within, Ctrl-C raises KeyboardInterrupt, SIGTERM and SIGHUP raise Terminated in the main thread.

    Python swallows what a signal's handler raises when the signal happens to come in the middle of a `__del__` or of
    a weak reference's callback, and some libraries do. So it is raised again every few seconds until the block is
    left. A second signal is ignored: it must not cut short the closing that the first one began. In another thread
    this does nothing: Python delivers signals to the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outer = len(_raised)
    before: list[tuple[dict[signal.Signals, Any], tuple[float, float]]] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        if before:
            return

        told = _stop(signum)
        _raised.append(told)

        def raise_it(*_: object) -> None:
            raise told

        handler = signal.signal(signal.SIGALRM, raise_it)
        before.append(({signal.SIGALRM: handler}, signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS, AGAIN_SECONDS)))
        raise_it()

    previous: dict[signal.Signals, Any] = {number: signal.signal(number, stop) for number in _heard()}
    try:
        yield
    except Exception as error:
        if behind := stop_behind(error):  # an import that is broken off, as TensorFlow's, fails with other errors
            raise behind from error
        raise
    finally:
        del _raised[outer:]
        for handlers, timer in before:
            signal.setitimer(signal.ITIMER_REAL, *timer)
            _restore(handlers)
        _restore(previous)


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes and threads that are started within never hear Ctrl-C or SIGHUP, not even before their first line.

    From a terminal they reach every process of a command, of which one has to end the others. Whoever starts them is
    deaf meanwhile.
    """
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # multiprocessing's, which would let Ctrl-C through again when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGHUP])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(signum: int) -> Stop:
    return KeyboardInterrupt() if signum == signal.SIGINT else Terminated(signal.Signals(signum))


def _heard() -> list[signal.Signals]:
    """Those that this process was not told to ignore: & has it ignore Ctrl-C, nohup SIGHUP."""
    return [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN]


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler or signal.SIG_DFL)  # None: one that was not installed from Python
