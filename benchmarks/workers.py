"""A process of its own for each peer, asleep between its turns: two frameworks in one would fight over threads."""

from __future__ import annotations

import multiprocessing
import traceback
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from benchmarks.peers import PEERS
from benchmarks.processes import own_peak_memory_mb

_PEAK = "peak_memory_mb"


class WorkerError(RuntimeError):
    """A peer failed; the message is its own traceback."""


class Worker:
    """A peer in another process, to be closed after use."""

    def __init__(self, name: str) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, theirs), name=f"peer-{name}", daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()  # the worker takes this for its end
        self._process.join(10)
        self._process.terminate()

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the peer and wait for what it returns.

        Raises:
            WorkerError: the peer raised something, or its process ended.
        """
        try:
            self._connection.send((method, arguments))
            failed, answer = self._connection.recv()
        except (EOFError, OSError):
            raise WorkerError(f"{self.name}: its process ended during {method}") from None
        if failed:
            raise WorkerError(f"{self.name}: {method} failed\n{answer}")
        return answer

    def peak_memory_mb(self) -> int:
        """The most memory that it has had so far, libraries and images included.

        Raises:
            WorkerError: its process ended.
        """
        return int(self.ask(_PEAK))


def _serve(name: str, connection: Connection) -> None:
    """What runs in the process: answer until nobody asks any more. Waiting costs no processor time."""
    peer = PEERS[name]()
    while True:
        try:
            method, arguments = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            answer = (False, own_peak_memory_mb() if method == _PEAK else getattr(peer, method)(*arguments))
        except Exception:
            answer = (True, traceback.format_exc())
        connection.send(answer)
