"""What `sync` does when stores fail; what it brings is in tests/experiments/test_sync.py."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.tracking import completion, database
from experiments.tracking.completion import Completion, Summary
from experiments.tracking.config import TrackingConfig
from experiments.tracking.facts import RunFacts
from experiments.tracking.replica import Brought, Replica
from experiments.tracking.service import TrackingError, UnreachableError
from experiments.tracking.sources import Source
from experiments.tracking.store import Store

SERVER = "https://mlflow.example.org"


def source(name: str, uri: str = "sqlite:///mlflow.db", goes_on: bool = False) -> Source:
    facts = RunFacts(name, "cifar10", name, 1, status="FINISHED", ended=2, seal="1", seal_tag="journal.seq")
    return Source(name, name, None, "cifar10", uri, goes_on, "1", lambda: facts)


def bring(*sources: Source, to: str | None = None) -> tuple[Summary, list[str]]:
    told: list[str] = []
    summary = Completion(to).bring_all(sources, lambda source: told.append(source.name))
    return summary, told


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "PAUSE", 0.0)


def test_each_run_goes_to_its_store_and_one_that_goes_on_waits(store: Store, project: Path) -> None:
    summary, told = bring(source("one"), source("two", "sqlite:///other.db"), source("three", goes_on=True))
    assert told == ["one", "two", "three"]
    assert (summary.complete, summary.new, summary.goes_on, summary.problems) == (2, 2, 1, [])
    assert (project / "other.db").exists()
    assert [run.info.run_name for run in store.client.search_runs([store.experiment_id])] == ["one"]


def test_a_store_that_fails_is_tried_three_times_and_then_not_for_every_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def fail(replica: Replica, facts: RunFacts) -> Brought:
        tried.append(facts.name)
        raise UnreachableError("the store", "away")

    monkeypatch.setattr(Replica, "bring", fail)
    summary, _ = bring(source("one"), source("two"), source("three"))
    assert tried == ["one"] * 3
    assert summary.problems == ["the store: away", "3 runs wait for sqlite:///mlflow.db"]
    assert summary.incomplete == 3


def test_a_database_that_another_process_is_opening_is_waited_for_once(
    store: Store, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens, waited = database.locked, []

    def locked(path: Path) -> AbstractContextManager[None]:
        waited.append(path.name)
        return opens(path, seconds=0.1)

    monkeypatch.setattr(database, "locked", locked)
    with opens(project / "mlflow.db"):
        summary, _ = bring(source("one"), source("two"), source("three"))
    assert waited == ["mlflow.db"]
    assert summary.problems[1] == "3 runs wait for sqlite:///mlflow.db"


def test_a_run_that_we_did_not_think_of_does_not_stop_the_others(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "canary-secret")

    def load() -> RunFacts:
        raise ZeroDivisionError("of a canary-secret")

    summary, _ = bring(replace(source("one"), load=load), source("two"))
    assert (summary.complete, summary.incomplete) == (1, 1)
    assert summary.problems == ["one: ZeroDivisionError: of a ***"]
    assert "in load" in caplog.text
    assert "canary" not in "".join(record.getMessage() for record in caplog.records)


def test_a_server_that_only_journals_name_gets_no_credentials(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(config: TrackingConfig) -> Store:
        raise TrackingError(f"{config.uri} was asked")

    monkeypatch.setattr(completion, "open_store", ask)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "canary")
    summary, _ = bring(source("one", SERVER), source("two", SERVER))
    assert summary.problems == [
        f"{SERVER}: only a journal names this server, which would get your credentials for MLflow. "
        f"If it is yours: --to {SERVER}",
        f"2 runs wait for {SERVER}",
    ]
    assert bring(source("one"), to=SERVER)[0].problems == [f"one: {SERVER} was asked"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    assert bring(source("one", SERVER))[0].problems == [f"one: {SERVER} was asked"]


def test_one_lost_reply_is_no_problem(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bring_really, lost = Replica.bring, [UnreachableError("the store", "away")]

    def lose_once(replica: Replica, facts: RunFacts) -> Brought:
        brought = bring_really(replica, facts)
        if lost:
            raise lost.pop()
        return brought

    monkeypatch.setattr(Replica, "bring", lose_once)
    summary, _ = bring(source("one"))
    assert (summary.complete, summary.problems) == (1, [])
    assert len(store.client.search_runs([store.experiment_id])) == 1


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("", "one: its journal does not name a store; name one with --to"),
        ("sqlite:////scratch/x/mlflow.db", "there is no such folder here; name a store with --to"),
        ("http://***@host", "the password of this address was not kept; give the whole address with --to"),
        ("ftp://host", "expected the address of a database or a server"),
    ],
)
def test_a_run_whose_store_cannot_be_used_does_not_stop_the_others(store: Store, uri: str, problem: str) -> None:
    summary, told = bring(source("one", uri), source("two"))
    assert told == ["one", "two"]
    assert (summary.complete, summary.incomplete) == (1, 1)
    assert problem in summary.problems[0]
    assert bring(source("one", uri), to="sqlite:///mlflow.db")[0].complete == 1
