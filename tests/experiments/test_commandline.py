from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from cifar.fields import ConfigError
from experiments.commandline import CommandLine, check, check_keys

ROOT = Path(__file__).resolve().parents[2]


def refusal(*argv: str) -> str:
    with pytest.raises(ConfigError) as error:
        check(list(argv))
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


# --- what passes -----------------------------------------------------------------------------------


def test_a_single_run_is_one_job() -> None:
    overrides = ["model=model2", "optimizer=sgd", "optimizer.momentum=0.8", "++seed=3"]
    checked = check(overrides)
    assert replace(checked, first=None) == CommandLine(multirun=False, jobs=1, overrides=overrides)
    assert checked.first is not None
    assert (checked.first.run.model.name, checked.first.run.seed) == ("model2", 3)


@pytest.mark.parametrize(
    ("argv", "jobs"),
    [
        ("-m model=model1,model2 optimizer=sgd,rmsprop", 4),
        ("--multirun seed=range(0,5)", 5),
        ("-m optimizer.learning_rate=choice(0.1,0.01) seed=1", 2),
        ("-m model=glob(*)", 3),
        ("hydra.mode=MULTIRUN seed=1,2", 2),
        ("-m seed=1,2 seed=3", 1),
        ("-m seed=1,2 hydra/launcher=joblib hydra.launcher.n_jobs=2", 2),
        ("-m", 1),
    ],
)
def test_a_multirun_counts_its_jobs(argv: str, jobs: int) -> None:
    answer = check(argv.split())
    assert (answer.multirun, answer.jobs) == (True, jobs)


@pytest.mark.parametrize(
    "argv",
    [
        "--help",
        "--cfg job",
        "model=model2 --cfg job",
        "--cfg job -p optimizer.momentum optimizer=sgd",
        "--cfg hydra -p hydra.run",
        "--cfg all -p _global_",
        "--info",
        "--hydra-help",
        "-sc install=bash",
    ],
)
def test_what_hydra_answers_itself_is_passed_on(argv: str) -> None:
    answer = check(argv.split())
    assert (answer.passthrough, answer.multirun, answer.jobs) == (True, False, 1)


def test_nothing_of_the_check_stays_behind_in_hydra() -> None:
    check([])
    refusal("model=reznet")
    assert not GlobalHydra.instance().is_initialized()


# --- flags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--mutlirun seed=1", "--mutlirun: no such flag. Did you mean --multirun?"),
        ("--lr=0.1", "--lr=0.1: no such flag. Did you mean optimizer.learning_rate=...?"),
        ("--epochs 30", "--epochs: no such flag. Did you mean training.epochs=...?"),
        (
            "model=model1 -m seed=1,2",
            "seed=1,2: stands apart from the other key=value. Put flags such as -m before all of them",
        ),
        ("--cfg jub", "command line: argument --cfg/-c: invalid choice: 'jub' (choose from 'job', 'hydra', 'all')"),
        (
            "--cfg job -m",
            "--cfg job -m: only one of --run, --multirun, --cfg, --info and --shell-completion can be given",
        ),
        ("--resolve", "--resolve: goes with --cfg or --help only"),
        ("-p nosuch data=sample", "--package: goes with --cfg only"),
        ("--cfg job -p nosuch", "--package=nosuch: --cfg job has no such part, or it is null"),
        ("--cfg job -p hydra.run", "--package=hydra.run: --cfg job has no such part, or it is null"),
        ("--config-path conf", "--config-path: not used here. --config-dir adds a folder of your own to conf/"),
        ("--config-name nope", "--config-name=nope: no such file in conf/"),
        ("--config-dir nope", "--config-dir=nope: no such folder"),
        ("--experimental-rerun x.pickle", "--experimental-rerun: not used here; it would load a pickle"),
        ("--help model=reznet", "model=reznet: expected one of model1, model2, model3"),
    ],
)
def test_a_wrong_flag_is_one_line(argv: str, message: str) -> None:
    assert refusal(*argv.split()) == message


# --- multiruns -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            "seed=1,2",
            "seed=1,2: more than one value. To run each, put -m first; text with a comma needs quotes: \"seed='...'\"",
        ),
        ("-m training.batch_size=32,64,0", "training.batch_size=0: expected a whole number at least 1"),
        (
            "-m optimizer=sgd,adam optimizer.momentum=0.9",
            "optimizer.momentum=0.9: adam has no momentum; rmsprop and sgd have",
        ),
        ("-m model=model1,modle2", "model=modle2: expected one of model1, model2, model3. Did you mean model=model2?"),
        ("-m seed=range(3,3)", "seed=range(3,3): no value at all"),
        ("-m model=glob(x*)", "model=glob(x*): no value at all"),
        ("-m seed=range(0,9,0)", "-m seed=range(0,9,0): range() arg 3 must not be zero"),
        (
            "-m seed=interval(0,1)",
            "seed=interval(0,1): a multirun needs listed values. For example a,b,c or range(1,4)",
        ),
        ("-m seed=range(0,1000000)", "seed=range(0,1000000): more than 10000 values"),
        (
            "-m seed=range(0,200) data.split_seed=range(0,100)",
            "seed=range(0,200) data.split_seed=range(0,100): 20000 jobs, and a multirun may have 10000",
        ),
        (
            "-m hydra/launcher=basic,joblib",
            "hydra/launcher=basic,joblib: Hydra's own settings have one value for all jobs",
        ),
        ("model=model1 model=model2", "model: given more than once. To run several options: -m model=a,b"),
    ],
)
def test_a_bad_job_of_a_multirun_is_refused_before_the_first_starts(argv: str, message: str) -> None:
    assert refusal(*argv.split()) == message


def test_a_bad_combination_late_in_a_small_multirun_is_found() -> None:
    message = refusal("-m", "data.train_size=100,40000", "training.batch_size=32,128")
    assert message == "training.batch_size=128: expected at most 100, the number of training images"


def test_of_a_large_multirun_every_value_is_looked_at() -> None:
    seeds = ",".join(map(str, range(80)))
    assert check(["-m", f"seed={seeds}", "training.epochs=1,2"]).jobs == 160
    assert refusal("-m", f"seed={seeds}", "training.epochs=1,0").startswith("training.epochs=0: expected")
    assert refusal("-m", f"seed={seeds},-1").startswith("seed=-1: expected")


# --- a folder of the user's own --------------------------------------------------------------------


def own_folder(folder: Path, file: str, text: str) -> list[str]:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return ["--config-dir", str(folder)]


PRESET = "# @package _global_\ndefaults:\n  - override /optimizer: sgd\n"


def test_a_preset_in_a_folder_of_ones_own_can_be_run(tmp_path: Path) -> None:
    flags = own_folder(tmp_path, "experiment/mine.yaml", PRESET + "optimizer:\n  momentum: 0.5\n")
    assert check([*flags, "experiment=mine"]).jobs == 1
    assert refusal(*flags, "experiment=nine").endswith("seed_model3. Did you mean experiment=mine?")
    message = refusal(*flags, "experiment=mine", "optimizer=adam")
    assert message == (
        "optimizer.momentum=0.5: adam has no momentum; rmsprop and sgd have. It is set by experiment=mine"
    )


def test_a_preset_can_hold_a_multirun(tmp_path: Path) -> None:
    text = PRESET + "hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: 1,2,3\n"
    flags = own_folder(tmp_path, "experiment/mine.yaml", text)
    assert check([*flags, "experiment=mine", "epochs=quick,seed"]).jobs == 6


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "optimizer:\n  _target_: os.system\n  command: touch MARKER",
            "optimizer._target_=os.system: nothing is built",
        ),
        ("data:\n  path: {_target_: shutil.copy, src: a, dst: MARKER}", "data.path._target_=shutil.copy: nothing"),
        ("note:\n  _target_: pathlib.Path.write_text", "note._target_=pathlib.Path.write_text: nothing is built"),
        ("note: !!python/object/apply:os.system ['touch MARKER']", "experiment/bad.yaml:4: could not determine"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nnote: [*b, *b]", "YAML aliases (*name) are not used here"),
        ("a: ${b}\nb: ${c}\nc: ${oc.env:HOME}", "a=${b}: expected a plain value"),
        (
            "hydra:\n  callbacks:\n    x: {_target_: os.system}",
            "hydra.callbacks.x._target_=os.system: nothing is built",
        ),
        (
            "hydra:\n  job_logging:\n    handlers:\n      x: {(): os.system, command: touch MARKER}",
            "hydra.job_logging.handlers.x.()=os.system: nothing is built",
        ),
        (
            "hydra:\n  job_logging:\n    handlers:\n      x: {class: logging.os.system}",
            "hydra.job_logging.handlers.x.class=logging.os.system: nothing is built",
        ),
        ("hydra:\n  launcher: {_target_: os.system}", "hydra.launcher._target_=os.system: nothing is built"),
        ("optimizer: [1, 2", "experiment/bad.yaml:"),
        ("optimizer:\n  learning_rate: -1", "optimizer.learning_rate=-1: expected a number above 0"),
        (
            "optimizr:\n  learning_rate: 1",
            "optimizr.learning_rate=1: no such key. Did you mean optimizer.learning_rate?",
        ),
    ],
)
def test_a_file_that_builds_or_hides_something_is_refused_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, found: str
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = own_folder(tmp_path / "conf", "experiment/bad.yaml", PRESET + text + "\n")
    assert found in refusal(*flags, "experiment=bad")
    assert not (tmp_path / "MARKER").exists()


# --- the cost --------------------------------------------------------------------------------------

HEAVY = ("tensorflow", "keras", "jax", "numpy", "mlflow", "keras_tuner", "matplotlib", "sklearn", "pandas")
SCRIPT = f"""
import sys
from cifar.fields import ConfigError
from experiments.commandline import check
try:
    check(sys.argv[1:])
except ConfigError as error:
    print(f"error: {{error}}", file=sys.stderr)
    print(*(name for name in {HEAVY!r} if name in sys.modules))
    sys.exit(2)
"""


@pytest.mark.parametrize("argv", [["lerning_rate=0.1"], ["-m", "model=model1,model2", "training.epochs=1,0"]])
def test_a_mistyped_command_answers_within_two_seconds_and_imports_nothing_heavy(argv: list[str]) -> None:
    seconds = []
    for _ in range(3):  # the quickest of three, and the processor's own seconds: others may have had it meanwhile
        started = os.times()
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *argv], cwd=ROOT, capture_output=True, text=True, check=False
        )
        ended = os.times()
        seconds.append(ended.children_user + ended.children_system - started.children_user - started.children_system)
        assert done.returncode == 2
        assert done.stdout.strip() == ""
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
        if seconds[-1] < 2:
            return
    assert min(seconds) < 2


# --- before it is known what it goes on top of --------------------------------------------------------


def test_keys_and_the_store_can_be_checked_alone() -> None:
    typed = check_keys(["model.depth=2", "optimizer.momentum=0.5", "tracking.uri=http://host:5000"])
    assert typed.first is not None, "momentum is no key of the default optimizer, but of another"
    assert typed.first.tracking.uri == "http://host:5000"
    assert (typed.multirun, typed.passthrough) == (False, False)
    assert check_keys(["-m", "seed=1"]).multirun
    assert check_keys(["hydra.mode=MULTIRUN"]).multirun
    assert check_keys(["--help"]).first is None


@pytest.mark.parametrize("typed", ["model.dept=2", "seed=1,2", "tracking.uri=nowhere", "tracking=of", "--nonsense"])
def test_a_mistake_in_them_is_one_line(typed: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_keys([typed])
    assert "\n" not in str(error.value)
