"""What an outage of the MLflow server costs a run, with real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from experiments.tracking.facts import Measurement, whole_facts
from experiments.tracking.journal import read_journal
from tests.services.mlflow_server import Proxy, Server
from tests.soak.row import Row

ROOT = Path(__file__).resolve().parents[2]
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second")
SYSTEM = [f"system/{number}" for number in range(8)]

# A run that spends its epochs asleep, and says at its end how long tracking held it up.
RUN = """
import json, sys, time
from pathlib import Path
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import open_recorder
from tests.soak.outages import METRICS, SYSTEM
from experiments.tracking.system import Sample
from experiments.tracking.service import import_mlflow

uri, epochs, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
import_mlflow()
said, spent, slowest = [], 0.0, 0.0

def timed(call, *arguments):
    global spent, slowest
    began = time.monotonic()
    result = call(*arguments)
    spent += time.monotonic() - began
    slowest = max(slowest, time.monotonic() - began)
    return result

config = TrackingConfig(uri=uri, experiment="soak")
recorder = open_recorder(config, Path("outputs/run"), "run", {"a": 1}, warn=said.append)
timed(recorder.__enter__)
for epoch in range(1, epochs + 1):
    time.sleep(seconds)
    metrics = {name: number + 1 / epoch for number, name in enumerate(METRICS)}
    samples = [Sample(epoch, epoch, {name: float(epoch) for name in SYSTEM})]
    timed(recorder.log_epoch, epoch, metrics, samples)
    timed(recorder.log_text, f"epoch {epoch}", f"notes/{epoch}.txt")
timed(recorder.__exit__, None, None, None)
print(json.dumps({"spent": spent, "slowest": slowest, "said": said, "in_step": recorder.in_step}))
"""


@dataclass(frozen=True)
class Outage:
    """What came of a run whose server failed.

    Attributes:
        seconds_spent: how long the run waited for tracking in all; `slowest_call` the longest of these waits.
        warnings: what it said to a person.
        complete_by_itself: whether the server had everything when the run ended.
        told, stored: values in the journal and, after `sync`, in the server; `equal` compares them one by one.
        runs: in the server; more than one would be a double.
    """

    scenario: str
    exit_code: int
    seconds_spent: float
    slowest_call: float
    warnings: int
    complete_by_itself: bool
    sync_exit_codes: tuple[int, ...]
    told: int
    stored: int
    equal: bool
    runs: int


Fault = Callable[[Server, Proxy], Iterator[None]]


def nothing(server: Server, proxy: Proxy) -> Iterator[None]:
    """All is well."""
    yield


def down_at_the_start(server: Server, proxy: Proxy) -> Iterator[None]:
    """The server is down when the run starts, and stays so."""
    server.kill()
    yield


def away_for_30_seconds(server: Server, proxy: Proxy) -> Iterator[None]:
    """It is killed after ten seconds and started again half a minute later."""
    with _later(10, server.kill), _later(40, server.start):
        yield


def gone_for_good(server: Server, proxy: Proxy) -> Iterator[None]:
    """It is killed after ten seconds."""
    with _later(10, server.kill):
        yield


def hangs_at_the_start(server: Server, proxy: Proxy) -> Iterator[None]:
    """It takes connections and never answers, from the start."""
    server.freeze()
    yield
    server.thaw()


def hangs(server: Server, proxy: Proxy) -> Iterator[None]:
    """The same after ten seconds."""
    with _later(10, server.freeze):
        yield
    server.thaw()


def loses_replies(server: Server, proxy: Proxy) -> Iterator[None]:
    """It does what it is asked, but some replies get lost."""
    proxy.lose(
        "experiments/create", "runs/create", *["runs/log-batch"] * 5, "notes/3.txt", "runs/update", "runs/set-tag"
    )
    yield


FAULTS = (
    nothing, down_at_the_start, away_for_30_seconds, gone_for_good, hangs_at_the_start, hangs, loses_replies,
)  # fmt: skip


LONGEST_WAIT = 30.0
"""Seconds that an outage may cost a run in all."""


def rows() -> Iterator[Row]:
    """A run of a minute for each way in which a server can fail."""
    for fault in FAULTS:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            outage = _outage(Path(folder), fault, epochs=60, epoch_seconds=1.0)
        yield as_row(outage, time.perf_counter() - began)


def as_row(outage: Outage, seconds: float) -> Row:
    """Every value counts as lost where another promise was broken: the exit code, the wait, the one warning."""
    kept = (
        outage.exit_code == 0
        and outage.seconds_spent <= LONGEST_WAIT
        and outage.warnings in ((0, 1) if outage.complete_by_itself else (1,))
        and outage.sync_exit_codes == (0, 0)
        and outage.runs == 1
        and outage.equal
    )
    what = f"values, {outage.scenario} The run waited {outage.seconds_spent:.1f} s for it in all"
    return Row(what, outage.told, 0 if kept else outage.told, seconds)


def _outage(folder: Path, fault: Fault, epochs: int, epoch_seconds: float) -> Outage:
    (folder / "server").mkdir(parents=True)
    (folder / "project").mkdir()
    server = Server(folder / "server")
    proxy = Proxy(server)
    try:
        server.start()
        proxy.open()
        uri = proxy.uri if fault is loses_replies else server.uri
        arguments = ["-c", RUN, uri, str(epochs), str(epoch_seconds)]
        with contextmanager(fault)(server, proxy):
            done = _python(folder / "project", *arguments)
        if server.process is None:
            server.start()
        synced = tuple(_python(folder / "project", "-m", "experiments.sync").returncode for _ in range(2))
        return _row(fault, done, synced, folder / "project" / "outputs" / "run", MlflowClient(server.uri))
    finally:
        proxy.close()
        server.kill()


def _row(
    fault: Fault, done: subprocess.CompletedProcess[str], synced: tuple[int, ...], run: Path, client: MlflowClient
) -> Outage:
    told = whole_facts(read_journal(run / "journal.jsonl"), run)
    said = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"spent": 0, "slowest": 0, "said": []}
    found = client.get_experiment_by_name("soak")
    runs = client.search_runs([found.experiment_id]) if found else []
    stored = [
        Measurement.of(item.key, item.value, item.timestamp, item.step)
        for one in runs
        for name in one.data.metrics
        for item in client.get_metric_history(one.info.run_id, name)
    ]
    files = {item.path for one in runs for item in client.list_artifacts(one.info.run_id, "notes")}
    return Outage(
        scenario=str(fault.__doc__),
        exit_code=done.returncode,
        seconds_spent=round(said["spent"], 2),
        slowest_call=round(said["slowest"], 2),
        warnings=len(said["said"]),
        complete_by_itself=said.get("in_step", False),
        sync_exit_codes=synced,
        told=len(told.metrics),
        stored=len(stored),
        equal=sorted(stored) == sorted(told.metrics) and files == set(told.artifacts),
        runs=len(runs),
    )


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@contextmanager
def _later(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Does something while the block runs; the block's end waits for it."""
    timer = threading.Timer(seconds, action)
    timer.start()
    yield
    timer.join()
