"""Waiting that ends, for what has no time limit of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def in_time(work: Callable[[], T], seconds: float) -> T:
    """What `work` gives or raises; it is done in a thread, which is left to itself if that takes too long.

    Raises:
        TimeoutError: it has come to nothing in `seconds`.
    """
    done: Future[T] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=do, name="in-time", daemon=True).start()
    if not wait([done], seconds).done:
        raise TimeoutError(f"it says nothing for {seconds:g} s")
    return done.result()
