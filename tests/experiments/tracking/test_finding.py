"""A run is found by whatever a person calls it, with its store or without, and never another one instead."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.tracking.config import TrackingConfig
from experiments.tracking.finding import Found, find, in_folder, recorded
from experiments.tracking.journal import JOURNAL_FILE, Journal
from experiments.tracking.recorder import Recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.store import Store
from tests.services.ports import free_port

NewRecorder = Callable[..., Recorder]
HERE = TrackingConfig()


@pytest.fixture
def run(store: Store, new_recorder: NewRecorder) -> Any:
    """A finished run with a journal in outputs/1."""
    with new_recorder(run_name="first") as recorder:
        recorder.log_epoch(1, {"loss": 0.5})
    return store.client.get_run(recorder.run_id)


def refusal(named: str, config: TrackingConfig = HERE) -> str:
    with pytest.raises(TrackingError) as error:
        find(named, config)
    assert "\n" not in str(error.value)
    return str(error.value)


def check(found: Found, run: Any) -> None:
    assert (found.run_id, found.name, found.status, found.began) == (
        run.info.run_id, "first", "FINISHED", run.info.start_time
    )  # fmt: skip
    assert found.folder == Path("outputs/1")
    assert found.reference == f"journal-{run.data.tags['journal.id']}"
    assert found.facts is not None
    assert [metric.value for metric in found.facts.metrics] == [0.5]


def test_it_is_found_by_its_id_the_beginning_of_it_its_name_and_its_folder(run: Any, project: Path) -> None:
    run_id = run.info.run_id
    for named in (run_id, run_id[:4], run_id[:9], "first", "outputs/1", "outputs/1/", str(project / "outputs" / "1")):
        check(find(named, HERE), run)


def test_a_run_says_which_folder_it_writes_to(run: Any) -> None:
    assert run.data.tags["folder"] == "outputs/1"


def test_a_whole_id_and_a_folder_need_no_store(run: Any, project: Path) -> None:
    for path in project.glob("mlflow.db*"):
        path.unlink()
    check(find(run.info.run_id, HERE), run)
    check(find("outputs/1", HERE), run)
    assert not (project / "mlflow.db").exists()


@pytest.mark.parametrize("named", ["first", "{id:.6}"])
def test_without_a_store_the_journals_here_are_asked(run: Any, named: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    check(find(named.format(id=run.info.run_id), TrackingConfig(uri=nobody)), run)
    check(find(named.format(id=run.info.run_id), TrackingConfig(uri="sqlite:///none.db")), run)


def test_a_name_that_was_changed_in_mlflow_is_the_name(store: Store, run: Any) -> None:
    store.client.update_run(run.info.run_id, name="renamed")
    found = find("renamed", HERE)
    assert (found.run_id, found.name, found.folder) == (run.info.run_id, "renamed", Path("outputs/1"))
    assert "there is no such run" in refusal("first")


def test_several_of_one_name_are_refused_with_what_tells_them_apart(
    store: Store, run: Any, new_recorder: NewRecorder
) -> None:
    with pytest.raises(KeyboardInterrupt), new_recorder(run_name="first") as second:
        raise KeyboardInterrupt
    message = refusal("first")
    assert message.startswith(f"run first: 2 runs are called or begin so: {second.run_id[:8]} KILLED 20")
    assert f", {run.info.run_id[:8]} FINISHED 20" in message
    assert message.endswith(". Name one by its id, or by enough of it")
    assert find(second.run_id[:8], HERE).folder == Path("outputs/2")


def test_a_folder_that_was_renamed_is_found_below_the_usual_ones(run: Any, project: Path) -> None:
    (project / "outputs" / "1").rename(project / "outputs" / "mine")
    assert find("first", HERE).folder == Path("outputs/mine")


def test_a_folder_that_another_run_took_is_not_taken_for_it(store: Store, run: Any, project: Path) -> None:
    with Recorder(HERE, project / "outputs" / "1", "second") as second:
        pass
    found = find("first", HERE)
    assert (found.run_id, found.folder) == (
        run.info.run_id, Path("outputs/1/earlier") / run.data.tags["journal.id"]
    )  # fmt: skip
    assert find("second", HERE).run_id == second.run_id


def test_a_run_of_another_machine_says_where_it_is(store: Store, run: Any, project: Path) -> None:
    store.client.set_tag(run.info.run_id, "host", "far-away")
    shutil.rmtree(project / "outputs")
    found = find("first", HERE)
    assert (found.folder, found.facts, found.place) == (None, None, "outputs/1 on far-away")


@pytest.mark.parametrize("named", ["nobody", "abcd", "f" * 32])
def test_a_server_that_is_away_is_said_to_be(run: Any, named: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    message = f"run {named}: is in no folder here, and {nobody} cannot be reached: Connection refused"
    assert refusal(named, TrackingConfig(uri=nobody)) == message


@pytest.mark.parametrize("word", ["best", "latest", "champion"])
def test_so_it_is_where_a_word_was_said(project: Path, word: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    assert refusal(word, TrackingConfig(uri=nobody)) == f"{nobody}: cannot be reached: Connection refused"


def test_a_run_of_any_mlflow_experiment_is_found(database: Path, new_recorder: NewRecorder) -> None:
    with new_recorder(TrackingConfig(experiment="mine"), run_name="first") as recorder:
        pass
    for named in (recorder.run_id, recorder.run_id[:6], "first"):
        assert find(named, HERE).run_id == recorder.run_id
    assert [run.experiment for run in recorded(["first"], HERE)] == ["mine"]


def test_what_is_recorded_is_what_the_store_has(store: Store, run: Any, project: Path) -> None:
    first, again = recorded(["first", "outputs/1"], HERE)
    assert first == again
    assert (first.run_id, first.status) == (run.info.run_id, "FINISHED")
    store.client.delete_run(run.info.run_id)
    with pytest.raises(TrackingError, match="run outputs/1: is not in the store that was asked, or was deleted there"):
        recorded(["outputs/1"], HERE)


def test_a_run_that_no_store_has_yet_is_brought_there_first(project: Path, impatient: None) -> None:
    nobody = TrackingConfig(uri=f"http://127.0.0.1:{free_port()}")
    with Recorder(nobody, project / "outputs" / "1", "first"):
        pass
    with pytest.raises(TrackingError, match=r"run first: no store has it yet.*experiments\.sync"):
        recorded(["first"], HERE)


def test_where_there_are_no_runs_it_is_said_how_to_make_one(store: Store) -> None:
    assert refusal("first") == "run first: there are no runs yet. Make one: python -m experiments.run"


def test_a_champion_that_was_registered_by_hand_has_no_run(store: Store) -> None:
    store.client.create_registered_model("cifar10")
    store.client.create_model_version("cifar10", "mlruns/a")
    store.client.set_registered_model_alias("cifar10", "champion", "1")
    assert refusal("champion") == "run champion: the store has no run that it came from"


def test_nearest_names_are_offered(run: Any) -> None:
    assert refusal("frist") == "run frist: there is no such run. Did you mean first?"
    assert refusal("abc") == (
        "run abc: there is no such run; 4 characters of an id are needed. Expected a folder, an id of MLflow's, or a "
        "name"
    )


@pytest.mark.parametrize("named", ["' OR 1=1 --", "../../x", "%", "a" * 300, "é\"'"])
def test_odd_names_are_names(run: Any, named: str) -> None:
    assert refusal(named).startswith(f"run {named}: there is no such run")


def test_a_deleted_run_says_how_to_restore_it(store: Store, run: Any, project: Path) -> None:
    shutil.rmtree(project / "outputs")
    store.client.delete_run(run.info.run_id)
    for named in (run.info.run_id, run.info.run_name):
        assert refusal(named) == (
            f"run {named}: was deleted. Restore it first: mlflow runs restore --run-id {run.info.run_id}"
        )


def test_a_folder_without_a_run_is_refused(project: Path) -> None:
    (project / "empty").mkdir()
    assert refusal("empty") == f"empty: there is no run in this folder (it has no {JOURNAL_FILE})"


def test_a_run_that_goes_on_is_running_and_one_that_was_killed_is_not(run: Any, project: Path) -> None:
    journal = Journal(project / "outputs" / "1")
    journal.append("resume")
    assert in_folder(Path("outputs/1")).status == "RUNNING"
    journal.close()
    assert in_folder(Path("outputs/1")).status == "KILLED"
