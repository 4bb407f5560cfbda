"""`resume=RUN`: a run goes on in its own record to the bits of one that was never stopped, or nothing of it changes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from experiments.resuming import take_out
from experiments.schema import UsageError
from experiments.sync import main as sync
from experiments.tracking.journal import Journal
from tests.soak.kills import Ended, run_of

Run = Callable[..., int]

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu", "empty_pictures")

EXPECTED = "{}: expected one run: MLflow's id, the beginning of it, a name, or the run's folder"
NOWHERE = "run outputs/none: there is no such run. Expected a folder, an id of MLflow's, or a name"
NEGATIVE = "training.epochs=-1: expected a whole number at least 1 and at most 100000"

NO_MODEL = "tracking.log_model=false"
SETTINGS = ("compute=cpu", "model.filters=3", "tracking.note='of mine: {a} #1'")


@dataclass(frozen=True)
class Project:
    """A working folder with one run."""

    path: Path
    folder: Path

    @property
    def files(self) -> dict[str, bytes]:
        """Every file of the run, and of its record but for the database's own scratch."""
        here = [path for path in self.path.rglob("*") if path.is_file() and "mlflow.db" not in path.name]
        return {str(path.relative_to(self.path)): path.read_bytes() for path in here}

    @property
    def run_id(self) -> str:
        return self.query("SELECT run_uuid FROM runs")[0][0]

    def query(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.path / "mlflow.db")) as database:
            return database.execute(sql).fetchall()

    def tags(self) -> dict[str, str]:
        return dict(self.query("SELECT key, value FROM tags"))

    def values(self, name: str) -> list[tuple[int, float]]:
        return self.query(f"SELECT step, value FROM metrics WHERE key = '{name}' ORDER BY step, timestamp")


def made(folder: Path, database: Path, exit_code: Run, *argv: str) -> Project:
    shutil.copy(database, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exit_code(*argv)
    return Project(folder, Path(run_of(folder)))


@pytest.fixture(scope="module")
def short(
    tmp_path_factory: pytest.TempPathFactory,
    made_database: Path,
    exit_code: Run,
    tiny: tuple[str, ...],
    tensorflow_on_cpu: None,
) -> Project:
    """A finished run of two epochs."""
    return made(tmp_path_factory.mktemp("short"), made_database, exit_code, *tiny, *SETTINGS, "training.epochs=2")


@pytest.fixture(scope="module")
def long(
    tmp_path_factory: pytest.TempPathFactory,
    made_database: Path,
    exit_code: Run,
    tiny: tuple[str, ...],
    tensorflow_on_cpu: None,
) -> Project:
    """The same with four; its network is not recorded."""
    settings = (*SETTINGS, "training.epochs=4", NO_MODEL)
    return made(tmp_path_factory.mktemp("long"), made_database, exit_code, *tiny, *settings)


@pytest.fixture
def project(short: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of the short one, at another place."""
    shutil.copytree(short.path, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Project(tmp_path / "copy", short.folder)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


# --- going on ---------------------------------------------------------------------------------------


def test_an_extended_run_has_the_bits_and_metrics_of_one_that_was_as_long_from_the_start(
    project: Project, long: Project, exit_code: Run
) -> None:
    assert exit_code(f"resume={project.run_id[:6]}", "training.epochs=4") == 0
    extended, whole = Ended.read(project.path), Ended.read(long.path)
    assert (extended.weights, extended.history) == (whole.weights, whole.history)
    final = {"test_accuracy", "test_loss", "epochs_run", "parameters", "best_epoch", "best_val_accuracy"}
    assert [row for row in extended.metrics if (row[0], row[1]) not in {(name, 2) for name in final}] == whole.metrics
    assert [step for step, _ in project.values("test_accuracy")] == [2, 4], "both results, the newest shown"
    assert project.query("SELECT value FROM latest_metrics WHERE key = 'epochs_run'") == [(4.0,)]
    assert list(extended.statuses.values()) == ["FINISHED"]
    told = {name: value for name, value in project.tags().items() if "resume" in name or name == "test_evaluations"}
    told.pop("resume.1.mlflow.source.name", None)
    assert told.pop("resume.1.fingerprint") != project.tags()["fingerprint"], "a longer training is another one"
    assert told == {"resumes": "1", "resume.1.training.epochs": "4", "test_evaluations": "2"}
    assert yaml.safe_load((project.folder / ".hydra" / "config.yaml").read_text())["training"]["epochs"] == 4
    (artifacts,) = (project.path / "mlruns").glob(f"*/{project.run_id}/artifacts")
    assert yaml.safe_load((artifacts / "config.yaml").read_text())["training"]["epochs"] == 4
    before = project.query("SELECT * FROM metrics ORDER BY key, step, timestamp")
    assert sync([]) == 0
    assert project.query("SELECT * FROM metrics ORDER BY key, step, timestamp") == before


def test_an_extended_run_has_both_its_networks_and_mlflow_loads_the_newest(
    project: Project, exit_code: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    old = (project.folder / "model" / "data" / "model.keras").read_bytes()
    assert exit_code(f"resume={project.folder}", "training.epochs=3") == 0
    assert (project.folder / "model" / "data" / "model.keras").read_bytes() == old
    uri = f"sqlite:///{Path('mlflow.db').resolve()}"  # not relative: MLflow keeps what it opened by its address
    client = mlflow.MlflowClient(uri)
    outputs = client.get_run(project.run_id).outputs.model_outputs
    assert sorted(output.step for output in outputs) == [2, 3]
    for output in outputs:
        metrics = {item.key: item.step for item in client.get_logged_model(output.model_id).metrics}
        assert {metrics["loss"], metrics["test_accuracy"]} == {output.step}, "each has its own results"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    model = mlflow.keras.load_model(f"runs:/{project.run_id}/model")
    with np.load(project.folder / "checkpoints" / "epoch-0003" / "weights.npz") as weights:
        expected = [weights[f"arr_{index}"] for index in range(len(weights.files))]
    for one, other in zip(model.get_weights(), expected, strict=True):
        assert np.array_equal(one, other)


def test_a_finished_run_says_so_and_nothing_changes(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = project.files
    assert exit_code(f"resume={project.folder}") == 0
    assert capsys.readouterr().out == (
        f"model1-rmsprop-seed0 is finished after 2 epochs (all epochs done); to train it longer: "
        f"resume={project.folder} training.epochs=4\n"
    )
    assert project.files == before


def test_a_run_without_a_checkpoint_begins_again_from_epoch_1_in_the_same_record_and_says_so(
    project: Project, long: Project, exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project.folder / "checkpoints")
    assert exit_code("resume=model1-rmsprop-seed0", "training.epochs=4", NO_MODEL) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("no checkpoint was written yet: the run begins again from epoch 1\n")
    assert "epoch 1/4" in printed
    extended, whole = Ended.read(project.path), Ended.read(long.path)
    assert (extended.weights, extended.history) == (whole.weights, whole.history)
    assert [step for step, _ in project.values("loss")] == [1, 2, 3, 4], "no step is there twice"


def test_a_damaged_checkpoint_is_passed_over_and_said(
    project: Project, long: Project, exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = project.folder / "checkpoints" / "epoch-0002" / "weights.npz"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    assert exit_code(f"resume={project.folder}", "training.epochs=4", NO_MODEL) == 0
    warning = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("warning"))
    assert "epoch-0002 is damaged: weights.npz" in warning
    assert warning.endswith("; going back to epoch 1")
    assert Ended.read(project.path).weights == Ended.read(long.path).weights
    assert [step for step, _ in project.values("loss")] == [1, 2, 3, 4]


def test_early_stopping_remembers_what_came_before(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    best = int(project.values("best_epoch")[0][1])
    patience = 3 - best + 1
    typed = ("training.epochs=50", f"training.early_stopping_patience={patience}", "training.restore_best_weights=true")
    assert exit_code(f"resume={project.folder}", *typed, NO_MODEL) == 0
    epochs = int(project.values("epochs_run")[-1][1])
    best = int(project.values("best_epoch")[-1][1])
    assert epochs == best + patience < 50
    assert project.tags()["stop_reason"] == f"no better validation accuracy for {patience} epochs"
    assert project.values("best_val_accuracy")[-1][1] == project.values("val_accuracy")[best - 1][1]
    capsys.readouterr()
    assert exit_code(f"resume={project.folder}") == 0
    assert f"is finished after {epochs} epochs (no better validation accuracy" in capsys.readouterr().out


def test_a_run_that_was_not_recorded_goes_on_too(
    tmp_path: Path,
    tiny: tuple[str, ...],
    exit_code: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(*tiny, "compute=cpu", "tracking=off", "training.epochs=2", "hydra.run.dir=mine") == 0
    assert exit_code("resume=mine", "training.epochs=3") == 0
    assert "going on after epoch 2 of 3" in capsys.readouterr().out
    assert exit_code("resume=mine", "tracking.enabled=true") == 2
    assert said(capsys) == (
        "error: tracking.enabled=true: expected false, since this run was not recorded from its beginning"
    )


def test_a_new_run_in_the_folder_of_another_does_not_take_up_its_checkpoints(
    project: Project, tiny: tuple[str, ...], exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first = project.run_id
    argv = (*tiny, "compute=cpu", "training.epochs=1", NO_MODEL, f"hydra.run.dir={project.folder}")
    assert exit_code(*argv) == 0
    assert "epoch 1/1" in capsys.readouterr().out
    assert [path.name for path in (project.folder / "checkpoints").iterdir()] == ["epoch-0001"]
    (aside,) = (project.folder / "earlier").iterdir()
    assert sorted(path.name for path in (aside / "checkpoints").iterdir()) == ["epoch-0001", "epoch-0002"]
    assert exit_code(*argv, "tracking=off") == 0, "nor where nothing is recorded"
    assert len([*(project.folder / "earlier").iterdir()]) == 2
    assert exit_code(f"resume={first}", "training.epochs=3") == 0, "the first one goes on where it was put"
    assert len(project.values("loss")) == 4


# --- a multirun --------------------------------------------------------------------------------------


def test_a_job_of_a_multirun_goes_on_alone_below_its_parent(
    made_database: Path, tmp_path: Path, tiny: tuple[str, ...], exit_code: Run, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copy(made_database, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    argv = ("compute=cpu", "training.epochs=1", NO_MODEL, "hydra.sweep.dir=multirun/mine")
    assert exit_code("-m", *tiny, *argv, "seed=1,2") == 0
    with closing(sqlite3.connect("mlflow.db")) as database:
        parents = database.execute("SELECT run_uuid, value FROM tags WHERE key = 'mlflow.parentRunId'").fetchall()
        before = database.execute("SELECT run_uuid, name FROM runs").fetchall()
    assert exit_code("resume=multirun/mine") == 2
    assert (
        said(capsys)
        == "error: resume=multirun/mine: is a multirun; expected one of its jobs, such as resume=multirun/mine/0"
    )
    assert exit_code("resume=multirun/mine/1", "training.epochs=2") == 0
    with closing(sqlite3.connect("mlflow.db")) as database:
        assert database.execute("SELECT run_uuid, name FROM runs").fetchall() == before
        assert (
            parents == database.execute("SELECT run_uuid, value FROM tags WHERE key = 'mlflow.parentRunId'").fetchall()
        )
        resumed = database.execute("SELECT key FROM tags WHERE key LIKE 'resume.%'").fetchall()
    assert sorted(resumed) == [("resume.1.fingerprint",), ("resume.1.training.epochs",)]


# --- what is refused, and changes nothing -----------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ("-m resume={run}", "resume={run}: one run at a time, without -m. A job of a multirun: resume=multirun/.../0"),
        ("resume={run} resume=other", EXPECTED.format("resume=other")),
        ("resume=", EXPECTED.format("resume=")),
        ("resme={run}", "resme={run}: no such key. Did you mean resume?"),
        ("resume=outputs/none", NOWHERE),
        ("resume={run} trainig.epochs=5", "trainig.epochs=5: no such key. Did you mean training.epochs?"),
        ("resume={run} training.epochs=-1", NEGATIVE),
        ("resume={run} training.epochs=1", "training.epochs=1: expected at least 2, the epochs that are already done"),
        ("resume={run} hydra.run.dir=x", "hydra.run.dir=...: not with resume=: a run goes on in its own folder"),
        (
            "resume={run} experiment=seed_model1",
            "experiment=...: not with resume=: a run goes on with the settings that it began with. Those that may "
            "change are typed one by one, such as training.epochs=50",
        ),
        (
            "resume={run} seed=1 training.batch_size=16",
            "resume={run}: made with training.batch_size=32 (now 16), seed=0 (now 1). A training goes on with the "
            "settings that it began with",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_gone_on_with_is_one_line_and_changes_nothing(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str], argv: str, line: str
) -> None:
    before = project.files
    assert exit_code(*argv.format(run=project.folder).split()) == 2
    assert said(capsys) == "error: " + line.format(run=project.folder)
    assert project.files == before


@pytest.mark.parametrize(("named", "what"), [("sweeps/a/trials/0003", "is of a sweep"), ("sweeps/a", "is a sweep")])
def test_a_sweep_and_its_trials_go_on_with_the_sweep(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str], named: str, what: str
) -> None:
    trial = project.path / "sweeps" / "a" / "trials" / "0003"
    shutil.copytree(project.folder, trial)
    (project.path / "sweeps" / "a" / "ledger.jsonl").touch()
    before = {file: file.read_bytes() for file in trial.rglob("*") if file.is_file()}
    assert exit_code(f"resume={named}", "training.epochs=4") == 2
    assert (
        said(capsys) == f"error: resume={named}: {what}. To go on with it: python -m experiments.sweep resume=sweeps/a"
    )
    assert {file: file.read_bytes() for file in trial.rglob("*") if file.is_file()} == before


def test_a_run_that_goes_on_is_not_taken_up_a_second_time(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(project.folder)
    assert exit_code(f"resume={project.folder}", "training.epochs=4") == 2
    journal.close()
    assert said(capsys) == (
        f"error: run {project.folder}: goes on at this moment; another process writes {project.folder}"
    )


def test_a_run_of_another_machine_says_where_it_can_go_on(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    host = project.tags()["host"]
    shutil.rmtree(project.path / "outputs")
    assert exit_code("resume=model1-rmsprop-seed0") == 2
    assert said(capsys) == (
        f"error: run model1-rmsprop-seed0: its folder, {project.folder} on {host}, is not here. Type the command "
        "there, or bring the folder here and name it: resume=FOLDER"
    )


def test_if_no_checkpoint_is_good_it_is_refused_and_the_record_stays(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (project.folder / "checkpoints").glob("*/training.json"):
        path.write_text("")
    before = project.files
    assert exit_code(f"resume={project.folder}", "training.epochs=4") == 2
    assert "None is left to go on from: to begin anew, remove the folder" in said(capsys)
    after = project.files
    assert {name for name in after if after[name] != before.get(name)} <= {f"{project.folder}/console.log"}


def test_a_password_that_was_not_kept_has_to_be_typed_again(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    config = project.folder / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("uri: null", "uri: http://***@host:5000"))
    assert exit_code(f"resume={project.folder}", "training.epochs=4") == 2
    assert said(capsys) == (
        "error: tracking.uri=http://***@host:5000: expected it typed again: what is secret in it was not kept"
    )


@pytest.mark.parametrize(
    "text", ["", "- 1\n", "model: &a [1]\ndata: *a\n", "model: {name: nonsense}\n", "x: 1\n", "a: " + "b" * 200_000]
)
def test_a_configuration_that_is_none_is_one_line(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (project.folder / ".hydra" / "config.yaml").write_text(text)
    assert exit_code(f"resume={project.folder}") == 2
    assert said(capsys).startswith("error: ")


def test_the_configuration_can_be_looked_at_first(
    project: Project, exit_code: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = project.files
    assert exit_code(f"resume={project.folder}", "training.epochs=7", "--cfg", "job") == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    recorded = yaml.safe_load((project.folder / ".hydra" / "config.yaml").read_text())
    assert shown["training"].pop("epochs") == 7
    recorded["training"].pop("epochs")
    recorded["tracking"]["experiment"] = "cifar10"  # where it stays, whatever the environment names now
    assert shown == recorded
    assert project.files == before


def test_a_command_line_without_it_is_left_as_it_is() -> None:
    assert take_out(["-m", "seed=1"]) == (["-m", "seed=1"], None)
    assert take_out(["-m", "seed=1", "resume='a b'"]) == (["-m", "seed=1"], "a b")
    with pytest.raises(UsageError):
        take_out(["resume=''"])
