"""The command itself, in this process; test_stops.py and test_end_to_end.py start it as a user does."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from experiments.folders import CONFIG_FILE, write_config
from experiments.schema import NODES, TABLES
from experiments.tracking.journal import Journal
from experiments.tracking.store import Store

Run = Callable[..., int]


def test_one_command_trains_and_records(
    exit_code: Run,
    store: Store,
    project: Path,
    tiny: tuple[str, ...],
    tensorflow_on_cpu: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code(*tiny, "compute=cpu", "training.epochs=1", "tracking.log_model=false", "seed=5") == 0
    (run,) = store.client.search_runs([store.experiment_id])
    (folder,) = (project / "outputs").iterdir()
    assert run.data.params["seed"] == "5"
    assert {file.name for file in folder.iterdir()} == {
        ".hydra",
        "artifacts",
        "checkpoints",
        "console.log",
        "journal.jsonl",
        "result.json",
    }
    assert "epoch 1/1  loss 2." in (project / run.info.artifact_uri / "console.log").read_text()
    assert "epoch 1/1  loss 2." in capsys.readouterr().out


def test_the_folder_of_a_run_can_be_chosen(
    exit_code: Run, project: Path, tiny: tuple[str, ...], tensorflow_on_cpu: None
) -> None:
    arguments = [*tiny, "compute=cpu", "training.epochs=1", "tracking=off", "hydra.run.dir=mine"]
    assert exit_code(*arguments) == 0
    assert [file.name for file in project.iterdir()] == ["mine"]
    assert (project / "mine" / "result.json").is_file()


@pytest.mark.parametrize("multirun", [False, True], ids=["one run", "a multirun"])
@pytest.mark.parametrize("tracking", ["local", "off"])
def test_a_command_that_is_refused_leaves_the_configuration_of_the_run_in_its_folder(
    exit_code: Run, database: Path, tiny: tuple[str, ...], tensorflow_on_cpu: None, tracking: str, multirun: bool
) -> None:
    flags, typed = (["-m"], "hydra.sweep.dir=mine") if multirun else ([], "hydra.run.dir=mine")
    folder = Path("mine", "0") if multirun else Path("mine")
    argv = [*flags, *tiny, "compute=cpu", "tracking.log_model=false", f"tracking={tracking}", typed]
    assert exit_code(*argv, "training.epochs=1") == 0
    config = (folder / CONFIG_FILE).read_text()
    assert exit_code(*flags, "compute=cpu", "data.path=/nosuch", typed) == (1 if multirun else 2)
    assert (folder / CONFIG_FILE).read_text() == config
    assert exit_code(f"resume={folder}", "training.epochs=2") == 0
    assert yaml.safe_load((folder / CONFIG_FILE).read_text())["training"]["epochs"] == 2
    assert exit_code(*argv, "training.epochs=1", "seed=9") == 0, "a run that takes its place has its own"
    assert yaml.safe_load((folder / CONFIG_FILE).read_text())["seed"] == 9


def test_a_second_command_for_the_folder_of_a_run_that_goes_on_leaves_its_configuration(
    exit_code: Run, project: Path, tiny: tuple[str, ...], tensorflow_on_cpu: None, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(project, "seed: 1\n")
    journal = Journal(project)
    journal.append("begin", id="x")
    assert exit_code(*tiny, "compute=cpu", "hydra.run.dir=.") == 2
    journal.close()
    assert "another process writes it" in capsys.readouterr().err
    assert (project / CONFIG_FILE).read_text() == "seed: 1\n"


def test_the_folder_of_a_multirun_is_read_as_hydra_reads_it(
    exit_code: Run, project: Path, tensorflow_on_cpu: None
) -> None:
    assert exit_code("-m", "hydra.sweep.dir='it\\'s'", "tracking=off", "compute=cpu", "data.path=/nosuch") == 1
    assert [path.name for path in project.iterdir()] == ["it's"]
    assert sorted(path.name for path in (project / "it's").iterdir()) == ["0", "multirun.json", "multirun.yaml"]


@pytest.mark.parametrize("typed", ["hydra.run.dir", "-m hydra.sweep.dir"])
def test_a_typed_folder_that_cannot_be_made_is_one_line(
    exit_code: Run, project: Path, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    (project / "file").touch()
    *flags, key = typed.split()
    assert exit_code(*flags, "data=sample", f"{key}=file/x") == 2
    assert capsys.readouterr().err == (
        f"error: {key}=file/x: expected a folder that can be written to (Not a directory)\n"
    )


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("model=modle2", "error: model=modle2: expected one of model1, model2, model3. Did you mean model=model2?"),
        ("epochs=30", None),
        ("_target_=os.system", None),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    exit_code: Run, project: Path, capsys: pytest.CaptureFixture[str], argument: str, line: str | None
) -> None:
    assert exit_code(argument) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (said,) = printed.err.splitlines()
    assert said == (line or said)
    assert said.startswith("error: ")
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(("more", "folder"), [((), "outputs"), (("-m", "seed=1,2"), "multirun")])
def test_a_folder_that_cannot_be_made_is_one_line(
    exit_code: Run, project: Path, more: tuple[str, ...], folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / folder).touch()
    assert exit_code(*more, "data=sample") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert f"'{folder}'" in said
    assert said.count("\n") == 1


def test_the_configuration_is_hydras_to_show(exit_code: Run, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("optimizer=adam", "--cfg", "job") == 0
    assert "beta_1: 0.9" in capsys.readouterr().out
    assert exit_code("--hydra-help") == 0
    assert "Configuration groups" in capsys.readouterr().out
    assert not (project / "mlflow.db").exists()


def processor_seconds_of_children() -> float:
    """Of those that have ended; what else the machine does takes the clock's time, but not theirs."""
    times = os.times()
    return times.children_user + times.children_system


def test_a_mistyped_command_line_answers_at_once_without_the_heavy_libraries(tmp_path: Path) -> None:
    script = (
        "import sys; from experiments.run import main; code = main(sys.argv[1:]); "
        "print(code, sorted({'tensorflow', 'keras', 'mlflow', 'keras_tuner', 'jax'} & sys.modules.keys()))"
    )
    seconds = []
    for _ in range(2):  # the first may have to compile our own modules
        began = processor_seconds_of_children()
        done = subprocess.run(
            [sys.executable, "-c", script, "optimizer.lr=1"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        seconds.append(processor_seconds_of_children() - began)
    assert done.stdout == "2 []\n"
    assert done.stderr == "error: optimizer.lr=1: no such key. Did you mean optimizer.learning_rate?\n"
    assert list(tmp_path.iterdir()) == []
    assert min(seconds) < 2


# --- 500 random command lines, each with one mistake -----------------------------------------------

NO_NUMBER = ["abc", "''", "nan", "inf", "-inf", "-1", "-1e-9", "true", "[0.1]", "{a: 1}", "1e400", "'1'", "'${seed}'"]
BAD_VALUES = {
    "float": [*NO_NUMBER, "null"],
    "float | None": NO_NUMBER,
    "int": [*NO_NUMBER, "null", "1.5"],
    "int | None": [*NO_NUMBER, "1.5"],
    "bool": ["null", "0", "1", "maybe", "[]"],
    "str": ["null", "5", "''", "'${oc.env:HOME}'", "[a]", "'" + "x" * 5000 + "'"],
    "str | None": ["5", "''", "' '", "'${oc.env:HOME}'", "[a]", "'" + "x" * 5001 + "'"],
}
"""Values, by the type of the key, that it does not take."""

ALL_OF_THEM = """
import json, sys
from experiments import overrides
from experiments.run import main
compose, composed = overrides.compose, {}

def once(name, lines, **named):  # composing is the slow part, and the same for nearly all
    if tuple(lines) not in composed:
        composed[tuple(lines)] = compose(name, lines, **named)
    return composed[tuple(lines)]

overrides.compose = once
codes = [main([line]) for line in json.loads(sys.argv[1])]
print(json.dumps([codes, sorted({"tensorflow", "keras", "mlflow", "jax", "numpy"} & sys.modules.keys())]))
"""


def mistake(rng: random.Random) -> str:
    """One override that cannot be used."""
    word = "".join(rng.choices("abcdefgh_", k=rng.randint(1, 12))) + "q"
    node = rng.choice([*TABLES, *NODES])
    cls = NODES.get(node) or TABLES[node][{"model": "model1", "optimizer": "rmsprop", "schedule": "constant"}[node]]
    key = rng.choice([item for item in fields(cls) if item.name != "name"])
    null_is_fine = f"{node}.{key.name}" == "tracking.experiment"  # it is named elsewhere then
    value = rng.choice([bad for bad in BAD_VALUES[str(key.type)] if not (null_is_fine and bad == "null")])
    unusual = [f"{node}.{word}=1", f"{word}=1", f"+{node}.{word}=1", f"{node}={word}", f"~{node}.{key.name}", word]
    unusual += [f"{node}._target_=os.system", f"{node}.{key.name}.x=1", f"--{word}", f"{node}@{word}={word}"]
    return rng.choice(unusual) if rng.random() < 0.4 else f"{node}.{key.name}={value}"


def test_of_500_random_mistakes_none_reaches_tensorflow_or_leaves_a_run(tmp_path: Path) -> None:
    rng = random.Random(0)
    lines = [mistake(rng) for _ in range(500)]
    done = subprocess.run(
        [sys.executable, "-c", ALL_OF_THEM, json.dumps(lines)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    codes, heavy = json.loads(done.stdout)
    assert [line for line, code in zip(lines, codes, strict=True) if code != 2] == []
    assert len(done.stderr.splitlines()) == 500
    assert all(line.startswith("error: ") for line in done.stderr.splitlines())
    assert heavy == []
    assert list(tmp_path.iterdir()) == []
