"""Workers under Dask: processes of this machine, or those of a cluster that the user runs. The same code for both.

Dask starts processes, notices when they die and carries trials to them. Which trial is tried again is the driver's to
say, so each is pinned to one worker here and Dask's own second tries are not used.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from cifar.config import ConfigError
from experiments.search.config import WorkersConfig
from experiments.search.records import SweepError
from experiments.search.workers import Job, Outcome, WorkerLostError
from experiments.tracking.service import first_line

if TYPE_CHECKING:
    from distributed import Client, SpecCluster

SCRATCH = "workers"
"""The folder, in the sweep's, of the workers' own files while it is worked on."""

LOOK_SECONDS = 1.0
"""So often, at least, it is seen to that workers live and trials end in time."""

PATIENCE_SECONDS = 60.0
"""So long a scheduler that cannot be reached is looked for: the connection to it is made anew."""

ALONE_SECONDS = 10.0
"""After so long it is said that trials wait for a cluster that has no worker; one that is replaced is back sooner."""

RESTART_SECONDS = 30.0
CONNECT_SECONDS = 20.0
CLOSE_SECONDS = 5.0

WORKER_BYTES = 1.5e9
"""What a worker may need: TensorFlow, MLflow, the images twice, a network. No more are started than fit."""

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
    "distributed.nanny.pre-spawn-environ": {},  # it would have memory given back at each step, and one thread for all
    "distributed.admin.tick.limit": "1h",
    "distributed.comm.timeouts.tcp": "10 minutes",  # a machine that slept, or is busy, is not a dead one
}

# Ctrl-C on a terminal reaches every process of it; the driver ends its workers by itself.
_DEAF_TO_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Task:
    """A trial that waits for a worker, or runs on one."""

    job: Job
    future: Future[Outcome]
    remote: Any = None
    worker: str = ""
    process: str = ""
    """What tells the worker's process from one that took its place."""
    began: float = 0.0


class DaskWorkers:
    """Runs each trial on a worker of its own, from the moment that one is free (see `workers.Workers`)."""

    def __init__(
        self, client: Client, run: Callable[[Job], Outcome], count: int | None, timeout_minutes: float | None
    ) -> None:
        self._client, self._run, self._count = client, run, count
        self._timeout = None if timeout_minutes is None else 60 * timeout_minutes
        self._waiting: deque[_Task] = deque()
        self._running: list[_Task] = []
        self._seen = 0
        self._alone_since: float | None = None
        self._told = False
        self._wake, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._watch, name="sweep-workers", daemon=True)
        self._thread.start()

    @property
    def capacity(self) -> int:
        """How many trials can run now: those that wait for a worker to be replaced count too."""
        return self._count or max(1, self._seen)

    @property
    def busy(self) -> list[str]:
        """The addresses of the workers that run trials."""
        return [task.worker for task in self._running]

    def submit(self, job: Job) -> Future[Outcome]:
        """Have a trial run on the next worker that is free."""
        task = _Task(job, Future())
        self._waiting.append(task)
        self._wake.set()
        return task.future

    def close(self) -> None:
        """Look no more; what runs is left alone."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _watch(self) -> None:
        reached = time.monotonic()
        while not self._closed:
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            try:
                self._look()
                reached = time.monotonic()
            except Exception as error:
                if isinstance(error, SweepError) or time.monotonic() - reached > PATIENCE_SECONDS:
                    log.warning("the workers cannot be reached: %s", first_line(error))
                    self._give_up(error)

    def _look(self) -> None:
        workers = self._workers()
        for task in self._running[:]:
            if task.remote.cancelled() and _process(workers, task.worker) == task.process:
                self._hand_over(task)  # only the connection was lost, and with it what it was to bring
            elif task.remote.done() or task.worker not in workers:
                self._running.remove(task)
                self._settle(task)
            elif self._timeout is not None and time.monotonic() - task.began > self._timeout:
                self._running.remove(task)
                self._end(task)
        workers = self._workers()  # again: one of those above may just have died
        single = [address for address, told in workers.items() if told["nthreads"] == 1]
        if workers and not single:
            raise SweepError("the workers have several threads each; start them with --nthreads 1 and more of them")
        self._seen = len(single)
        self._tell_of_waiting()
        for address in [address for address in single if address not in self.busy]:
            if workers[address]["status"] == "paused":  # near its --memory-limit; it would begin no trial
                restart(self._client, [address])
            elif (waited := self._next()) is not None:
                self._start(waited, address, _process(workers, address))

    def _next(self) -> _Task | None:
        """The trial that has waited longest, of those that the driver still wants."""
        while self._waiting:
            task = self._waiting.popleft()
            if task.future.set_running_or_notify_cancel():
                return task
        return None

    def _tell_of_waiting(self) -> None:
        """Say once that a cluster has no workers, and once that one came. Those of this machine come by themselves."""
        if self._seen or not self._waiting or self._client.cluster is not None:
            if self._told and self._seen:
                log.warning("a worker has joined; the sweep goes on")
            self._alone_since, self._told = None, False
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
        elif not self._told and time.monotonic() - self._alone_since > ALONE_SECONDS:
            log.warning(
                "%s has no worker; waiting for one to join (dask worker ... --nthreads 1). Ctrl-C stops the sweep",
                self._client.scheduler.address,
            )
            self._told = True

    def _workers(self) -> Mapping[str, Any]:
        # Not Client.scheduler_info: every two seconds another thread puts an answer without workers in its place.
        told: Mapping[str, Any] = self._client.sync(self._client.scheduler.identity, n_workers=-1)["workers"]
        return told

    def _start(self, task: _Task, address: str, process: str) -> None:
        task.worker, task.process, task.began = address, process, time.monotonic()
        self._running.append(task)
        self._hand_over(task)

    def _hand_over(self, task: _Task) -> None:
        """Have a task's worker run it. One that runs, or has run, it already answers without doing it twice."""
        task.remote = self._client.submit(
            self._run, task.job, workers=[task.worker], allow_other_workers=False, pure=False, retries=0
        )
        task.remote.add_done_callback(lambda _: self._wake.set())

    def _settle(self, task: _Task) -> None:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        lost = WorkerLostError(f"its worker {task.worker} died")
        if not task.remote.done():
            task.remote.cancel(force=True)
            task.future.set_exception(lost)
            return
        try:
            task.future.set_result(task.remote.result())
        except (KilledWorker, CancelledError):
            task.future.set_exception(lost)
        except Exception as error:
            task.future.set_exception(error)

    def _end(self, task: _Task) -> None:
        """Kill the worker of a trial that takes too long."""
        task.remote.cancel(force=True)
        restart(self._client, [task.worker])
        assert self._timeout is not None
        minutes = self._timeout / 60
        task.future.set_exception(
            WorkerLostError(f"it had not ended after workers.trial_timeout_minutes={minutes:g}; its worker was killed")
        )

    def _give_up(self, error: Exception) -> None:
        reason = error if isinstance(error, SweepError) else SweepError(f"the workers are gone ({first_line(error)})")
        for task in [*self._running, *self._waiting]:
            with suppress(InvalidStateError):  # the driver may take one back at this very moment
                task.future.set_exception(reason)
        self._running.clear()
        self._waiting.clear()


def _process(workers: Mapping[str, Any], address: str) -> str:
    """A folder that each process of a worker makes for itself; empty if there is no worker at the address."""
    return str(workers[address].get("local_directory", "")) if address in workers else ""


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
    """
    import dask
    from distributed import Client

    with dask.config.set(_SETTINGS):
        cluster = _local_cluster(config, folder / SCRATCH, device) if config.address is None else None
        try:
            count = config.count if cluster is None else len(cluster.workers)
            with _connected(Client, config.address, cluster) as client:
                workers = DaskWorkers(client, run, count, config.trial_timeout_minutes)
                try:
                    yield workers
                finally:
                    workers.close()
                    if cluster is None and workers.busy:
                        restart(client, workers.busy)
        finally:
            if cluster is not None:
                _close(cluster)
                shutil.rmtree(folder / SCRATCH, ignore_errors=True)


def count_workers(config: WorkersConfig, device: str) -> int:
    """How many processes of this machine: one for each GPU, or else for each core, as far as memory goes."""
    if config.count is not None:
        return config.count
    if found := gpus(device):
        return len(found)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().total / WORKER_BYTES)))


def gpus(device: str) -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that trials may use; none with device="cpu"."""
    if device == "cpu":
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name.strip() not in ("", "-1")]
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=20, check=True)
        return [str(number) for number, line in enumerate(told.stdout.splitlines()) if line.startswith("GPU ")]
    return []


def restart(client: Client, addresses: list[str]) -> None:
    """End what these workers do, whatever state they are in."""
    with suppress(Exception):  # one that cannot be reached is gone already, or is its cluster's to mend
        client.restart_workers(addresses, timeout=RESTART_SECONDS, raise_for_error=False)


@contextmanager
def _connected(make: Any, address: str | None, cluster: SpecCluster | None) -> Iterator[Client]:
    from distributed import Security

    if address and address.startswith("tls://") and Security().get_connection_args("client")["ssl_context"] is None:
        hint = "docs/clusters.md says how to make them"
        raise ConfigError("workers.address", address, "certificates named in Dask's configuration", hint)
    try:
        client = make(cluster or address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        hint = f"Start one there: dask scheduler, then dask worker {address} --nthreads 1 ({first_line(error)})"
        raise ConfigError("workers.address", address, "a Dask scheduler that answers", hint) from None
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=CLOSE_SECONDS)


def _local_cluster(config: WorkersConfig, scratch: Path, device: str) -> SpecCluster:
    from distributed import Nanny, Scheduler, Security, SpecCluster

    security = Security.temporary()  # other users of this machine reach its loopback too
    count, devices = count_workers(config, device), gpus(device)
    common = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    quiet = {**common, "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    worker = {
        **quiet,
        "nthreads": 1,
        "memory_limit": psutil.virtual_memory().total // count,
        "local_directory": str(scratch),
        "silence_logs": logging.CRITICAL,
        "preload": [_DEAF_TO_CTRL_C],
    }
    specs = {
        number: {
            "cls": Nanny,
            "options": {**worker, "env": {"CUDA_VISIBLE_DEVICES": devices[number % len(devices)]} if devices else {}},
        }
        for number in range(count)
    }
    scratch.mkdir(parents=True, exist_ok=True)
    return SpecCluster(
        workers=specs,
        scheduler={"cls": Scheduler, "options": quiet},
        security=security,
        silence_logs=logging.CRITICAL,
        name="sweep",
    )


def _close(cluster: SpecCluster) -> None:
    """End the workers at once: what they have to keep is on the disk."""
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        with suppress(ProcessLookupError, AttributeError, TypeError):
            os.kill(nanny.pid, signal.SIGKILL)
    with suppress(Exception):
        cluster.close(timeout=CLOSE_SECONDS)
