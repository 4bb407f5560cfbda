"""The Dask cluster that trials run on: processes of this machine, started here, or one that the user runs."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cifar.fields import ConfigError
from experiments.search.config import WorkersConfig
from experiments.search.machine import count_workers, free_memory, gpus
from experiments.search.pool import DaskWorkers, restart
from experiments.search.records import SweepError
from experiments.search.workers import Job, Outcome
from experiments.tracking.patience import in_time
from experiments.tracking.service import first_line
from experiments.tracking.signals import deaf_to_ctrl_c

if TYPE_CHECKING:
    from distributed import Client, SpecCluster
    from tornado.ioloop import IOLoop

SCRATCH = "workers"
"""The folder, in the sweep's, of the workers' own files while it is worked on."""

START_SECONDS = 300.0
"""So long a worker process may take to come up: it imports Dask, which takes seconds, and longer over a network."""

CONNECT_SECONDS = 20.0
CLOSE_SECONDS = 5.0

_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.multiprocessing-method": "spawn",  # TensorFlow does not survive a fork
    "distributed.worker.memory.target": False,  # nothing of ours can be spilled, and a paused worker trains no more
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.worker.use-file-locking": False,
    "distributed.worker.preload": [],
    "distributed.nanny.pre-spawn-environ": {},  # it would have memory given back at each step, and one thread for all
    "distributed.admin.tick.limit": "1h",
    "distributed.comm.timeouts.tcp": "10 minutes",  # a machine that slept, or is busy, is not a dead one
}


@contextmanager
def open_workers(
    config: WorkersConfig, run: Callable[[Job], Outcome], folder: Path, device: str = "auto"
) -> Iterator[DaskWorkers]:
    """Workers of this machine, or of the cluster at `workers.address`; trials that run at the end are ended.

    Args:
        config: which, and how many.
        run: runs a trial; has to be known to the workers by its name.
        folder: the sweep's, where workers of this machine keep their own files meanwhile.
        device: the trials' `compute.device`.

    Raises:
        ConfigError: nothing answers at the address.
        SweepError: processes of this machine do not come up.
    """
    import dask
    from distributed import Client

    with (
        dask.config.set(_SETTINGS),
        nullcontext() if config.address else _processes(config, folder / SCRATCH, device) as cluster,
    ):
        count = config.count if cluster is None else len(cluster.workers)
        with _connected(Client, config.address, cluster) as client:
            workers = DaskWorkers(client, run, count, config.trial_timeout_minutes)
            try:
                yield workers
            finally:
                workers.close()
                if cluster is None and workers.busy:
                    restart(client, workers.busy)


def ensure_answers(config: WorkersConfig) -> None:
    """See that the cluster at `workers.address` answers, if one is named, before anything is begun.

    Raises:
        ConfigError: nothing answers there.
    """
    import dask
    from distributed import Client

    if config.address is not None:
        with dask.config.set(_SETTINGS), _connected(Client, config.address, None):
            pass


@contextmanager
def _connected(make: Any, address: str | None, cluster: SpecCluster | None) -> Iterator[Client]:
    from distributed import Security

    if address and address.startswith("tls://") and Security().get_connection_args("client")["ssl_context"] is None:
        hint = "docs/clusters.md says how to make them"
        raise ConfigError("workers.address", address, "certificates named in Dask's configuration", hint)
    try:
        # Dask waits for ever for a scheduler that is frozen
        connect = partial(make, cluster or address, timeout=CONNECT_SECONDS, set_as_default=False)
        client = in_time(connect, CONNECT_SECONDS + CLOSE_SECONDS)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        hint = f"Start one there: dask scheduler, then dask worker {address} --nthreads 1 ({first_line(error)})"
        raise ConfigError("workers.address", address, "a Dask scheduler that answers", hint) from None
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=CLOSE_SECONDS)


@contextmanager
def _processes(config: WorkersConfig, scratch: Path, device: str) -> Iterator[SpecCluster]:
    """A cluster of processes of this machine, which end with it."""
    from distributed.utils import LoopRunner

    runner = LoopRunner()
    with deaf_to_ctrl_c():
        runner.start()  # the thread that starts them
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        cluster = _local_cluster(config, scratch, device, runner.loop)
        try:
            yield cluster
        finally:
            _close(cluster)
    finally:
        runner.stop()
        shutil.rmtree(scratch, ignore_errors=True)


def _local_cluster(config: WorkersConfig, scratch: Path, device: str, loop: IOLoop) -> SpecCluster:
    from distributed import Scheduler, Security, SpecCluster

    from experiments.search.nanny import SureNanny

    security = Security.temporary()  # other users of this machine reach its loopback too
    count, devices = count_workers(config, device), gpus(device)
    common = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    quiet = {**common, "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    worker = {
        **quiet,
        "nthreads": 1,
        "memory_limit": free_memory()[1] // count,
        "local_directory": str(scratch),
        "silence_logs": logging.CRITICAL,
        "death_timeout": START_SECONDS,
    }
    specs = {
        number: {
            "cls": SureNanny,
            "options": {**worker, "env": {"CUDA_VISIBLE_DEVICES": devices[number % len(devices)]} if devices else {}},
        }
        for number in range(count)
    }
    others, clusters = {*multiprocessing.active_children()}, {*SpecCluster._instances}
    try:
        return SpecCluster(
            workers=specs,
            scheduler={"cls": Scheduler, "options": quiet},
            loop=loop,
            security=security,
            silence_logs=logging.CRITICAL,
            name="sweep",
        )
    except BaseException as error:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it would tell of tasks that nobody waits for now
        for process in {*multiprocessing.active_children()} - others:
            process.kill()
        SpecCluster._instances &= clusters  # Dask would close it at the exit, and fail with a traceback
        # Dask's own, of a process that died while it came up; the last of one that never did
        if isinstance(error, OSError | RuntimeError | AssertionError):
            raise _not_started(count, error) from error
        raise


def _not_started(count: int, error: Exception) -> SweepError:
    froze = isinstance(error, TimeoutError | AssertionError)
    why = f"not within {START_SECONDS:g} s" if froze else first_line(error.__cause__ or error)
    return SweepError(
        f"a worker process did not come up ({why}). Memory or processes may have run out "
        f"(python -m experiments.doctor); {count} were asked for, try workers.count=1"
    )


def _close(cluster: SpecCluster) -> None:
    """End the workers at once: what they have to keep is on the disk."""
    for nanny in [*cluster._created]:  # those too that just come up
        nanny.auto_restart = False
        with suppress(ProcessLookupError, AttributeError, TypeError):
            os.kill(nanny.pid, signal.SIGKILL)
    with suppress(Exception):
        cluster.close(timeout=CLOSE_SECONDS)
