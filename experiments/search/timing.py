"""Networks timed on this machine, in as many processes at once as train a sweep's trials, which disturb each other."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import ceil
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from cifar.config import ComputeConfig, ModelConfig, RunConfig
from experiments.speed import BATCHES, Speed, measure
from experiments.tracking.service import first_line
from experiments.tracking.signals import deaf_to_ctrl_c, held_back

START_SECONDS = 60.0
"""Processes that have not begun by then, TensorFlow's import included, are not waited for."""

TURN_WORK = {"cpu": 4e9, "gpu": 1e12}
"""Multiply-adds at a time, by the kind of device: some tenths of a second on a core of 2020."""

RATE = 1e-7
"""The learning rate while a network is timed: made-up images teach nothing, and no loss may go out of bounds."""

_SPAWN = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork


class TimingError(Exception):
    """What was asked for cannot be timed here; why, in a line."""


class Stopwatches:
    """Processes that all do the same at the same time."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._connections = connections

    def work(self, models: Sequence[ModelConfig]) -> list[int]:
        """Multiply-adds of an image in each of these networks."""
        return list(self._ask(START_SECONDS, _work, list(models))[0])

    def speed(self, run: RunConfig, work: int, seconds: float, patience: float) -> Speed:
        """How fast each process trains this run while the others do; a second or two beside the `seconds`.

        Raises:
            TimingError: it failed, or took longer than `patience`.
        """
        told: list[Speed] = self._ask(patience, _speed, run, work, seconds)
        return Speed(_mean([each.training for each in told]), _mean([each.validation for each in told]))

    def _ask(self, patience: float, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What the function gives in each process."""
        ends, answers = time.monotonic() + patience, dict[int, Any]()
        with _no_process_lost():
            for connection in self._connections:
                connection.send((function, arguments))
            while len(answers) < len(self._connections):
                pending = [connection for n, connection in enumerate(self._connections) if n not in answers]
                ready = wait(pending, max(0.0, ends - time.monotonic()))
                if not ready:
                    raise TimingError(f"it takes longer than {patience:.0f} s")
                answers |= {n: item.recv() for n, item in enumerate(self._connections) if item in ready}
        for answer in answers.values():
            if isinstance(answer, TimingError):
                raise answer
        return [*answers.values()]


@contextmanager
def stopwatches(count: int, compute: ComputeConfig) -> Iterator[Stopwatches]:
    """So many processes, set up for what trials compute on; killed at the end, in the midst of what they do."""
    started: list[SpawnProcess] = []
    connections: list[Connection] = []
    try:
        with held_back(), deaf_to_ctrl_c():  # a thread may take the signal: half a start would be seen
            for _ in range(count):
                here, there = multiprocessing.Pipe()
                connections.append(here)
                started.append(_SPAWN.Process(target=_serve, args=(there, compute), daemon=True))
                started[-1].start()
                there.close()
        yield Stopwatches(connections)
    finally:
        begun = [process for process in started if process.pid is not None]
        for process in begun:
            process.kill()
        for process in begun:
            process.join()
        for connection in connections:
            connection.close()


@contextmanager
def _no_process_lost() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        raise TimingError("a process that timed it died; is there enough memory?") from None


def _mean(rates: Sequence[float]) -> float:
    return sum(rates) / len(rates)


# --- in those processes -------------------------------------------------------------------------


def _serve(connection: Connection, compute: ComputeConfig) -> None:
    """Do what is asked for until nobody asks any more."""
    with suppress(EOFError, OSError):
        while True:
            function, arguments = connection.recv()
            try:
                answer = function(compute, *arguments)
            except Exception as error:
                answer = TimingError(first_line(error))
            connection.send(answer)


def _work(compute: ComputeConfig, models: Sequence[ModelConfig]) -> list[int]:
    from cifar.compute import prepare

    prepare(compute)
    from cifar.models import multiply_adds

    return [multiply_adds(model) for model in models]


def _speed(compute: ComputeConfig, run: RunConfig, work: int, seconds: float) -> Speed:
    from cifar.compute import prepare

    kind = prepare(compute).kind
    batches = ceil(TURN_WORK[kind] / (work * run.training.batch_size))
    tame = replace(run, compute=compute, optimizer=replace(run.optimizer, learning_rate=RATE))
    return measure(tame, min(batches, BATCHES[kind]), seconds)
