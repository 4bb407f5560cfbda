"""Processes that begin at the same moment. They are forked after one import of MLflow, which takes seconds."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_FORKS = multiprocessing.get_context("forkserver")  # a process of its own: this one may have threads
_FORKS.set_forkserver_preload(["tests.soak.preloaded"])


def at_once(work: Callable[[int], None], processes: int) -> int:
    """Run work(0), work(1), ..., each in a process of its own, from the same moment on; returns how many failed.

    Only in a process that `apart` made.
    """
    moment = time.time() + 0.3
    children = [_fork(work, number, moment) for number in range(processes)]
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


def apart(
    function: Callable[..., Any], folder: Path, variables: Mapping[str, str] | None = None, **arguments: Any
) -> Any:
    """What a function of a module returns in a new process in `folder`, which has imported MLflow and may fork.

    MLflow's variables are those in `variables`, and none of this process'.
    """
    receiving, sending = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_call, args=(sending, function, folder, dict(variables or {}), arguments))
    process.start()
    sending.close()
    try:
        result = receiving.recv()
    except EOFError:
        raise RuntimeError(f"{function.__name__} ended without a result; see its traceback") from None
    finally:
        process.join()
    return result


def _call(
    sending: Connection, function: Callable[..., Any], folder: Path, variables: dict[str, str], arguments: Any
) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_TRACKING_")]:
        del os.environ[name]
    os.environ.update(variables)
    os.chdir(folder)
    sending.send(function(**arguments))


def _fork(work: Callable[[int], None], number: int, moment: float) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        time.sleep(max(0.0, moment - time.time()))
        work(number)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
