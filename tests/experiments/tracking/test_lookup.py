from __future__ import annotations

import pytest

from experiments.tracking.config import TrackingConfig
from experiments.tracking.facts import IDENTITY_TAG, SEAL_TAG
from experiments.tracking.journal import now
from experiments.tracking.lookup import (
    MADE_TAG,
    DeletedRunError,
    find_by_reference,
    find_run,
    get_run,
    identity_of,
)
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store, open_store


def make(store: Store, identity: str, began: int = 1000, **tags: str) -> str:
    tags = {IDENTITY_TAG: identity, **tags}
    run_id: str = store.client.create_run(store.experiment_id, began, tags).info.run_id
    return run_id


def test_a_run_is_found_by_its_identity_or_not_at_all(store: Store) -> None:
    run_id = make(store, "one")
    make(store, "another")
    found = find_run(store, "one")
    assert (found.info.run_id, identity_of(found)) == (run_id, "one")
    assert find_run(store, "third") is None
    assert get_run(store, "f" * 32) is None
    assert get_run(store, "no id at all") is None


def test_a_run_is_found_though_its_experiment_was_renamed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = make(store, "one")
    store.client.rename_experiment(store.experiment_id, "renamed")
    again = open_store(TrackingConfig())
    assert again.experiment_id != store.experiment_id
    search = again.client.search_experiments
    monkeypatch.setattr(again.client, "search_experiments", lambda **asked: search(max_results=1, **asked))
    assert find_run(again, "one").info.run_id == run_id
    assert find_run(again, "another") is None


def test_a_run_without_a_journal_is_its_own_identity(store: Store) -> None:
    run = store.client.create_run(store.experiment_id)
    assert identity_of(run) == run.info.run_id


@pytest.mark.parametrize("identity", ["' OR 1=1 --", "", "a b", "x" * 65])
def test_what_is_no_identity_never_reaches_the_store(identity: str) -> None:
    with pytest.raises(TrackingError, match="is not the identity of a run"):
        find_run(None, identity)  # type: ignore[arg-type]


def test_of_doubles_the_one_in_use_is_kept_and_empty_ones_are_deleted(store: Store) -> None:
    empty, used, also_used = (make(store, "one") for _ in range(3))
    store.client.log_param(used, "a", "1")
    store.client.log_param(also_used, "a", "1")
    store.client.log_param(also_used, "b", "1")
    assert find_run(store, "one").info.run_id == also_used
    assert len(store.client.search_runs([store.experiment_id])) == 3
    assert find_run(store, "one", tidy=True).info.run_id == also_used
    left = store.client.search_runs([store.experiment_id])
    assert {run.info.run_id for run in left} == {used, also_used}, "nothing that was recorded is deleted"
    assert store.client.get_run(empty).info.lifecycle_stage == "deleted"


def test_the_run_that_is_being_written_is_kept_though_it_is_empty_yet(store: Store) -> None:
    first, second = make(store, "one"), make(store, "one")
    assert find_run(store, "one", first, tidy=True).info.run_id == first
    assert store.client.get_run(second).info.lifecycle_stage == "deleted"
    assert find_run(store, "one").info.run_id == first, "and afterwards it is the only one that is not deleted"


def test_an_empty_run_that_another_process_may_have_just_made_is_left(store: Store) -> None:
    used = make(store, "one")
    store.client.log_param(used, "a", "1")
    make(store, "one", began=now())
    make(store, "one", **{MADE_TAG: str(now())})
    make(store, "one", **{MADE_TAG: str(now() - 301_000)})
    assert find_run(store, "one", tidy=True).info.run_id == used
    assert len(store.client.search_runs([store.experiment_id])) == 3
    store.client.set_tag(used, SEAL_TAG, "7")
    find_run(store, "one", tidy=True)
    assert len(store.client.search_runs([store.experiment_id])) == 1, "nobody fills it any more"


def test_a_reference_is_mlflows_id_or_that_of_a_journal(store: Store) -> None:
    run_id = make(store, "one")
    assert find_by_reference(store, run_id).info.run_id == run_id
    assert find_by_reference(store, "journal-one").info.run_id == run_id
    with pytest.raises(TrackingError, match=r"^run journal-two: is not in sqlite:"):
        find_by_reference(store, "journal-two")
    store.client.delete_run(run_id)
    with pytest.raises(DeletedRunError, match=f"^run {run_id}: was deleted. Restore it first: mlflow runs restore"):
        find_by_reference(store, run_id)
