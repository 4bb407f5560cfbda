"""A sweep's command line: what is the sweep's, what is for its runs, and what is said about mistakes."""

from __future__ import annotations

import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from cifar.fields import ConfigError
from experiments.search.config import BayesianConfig, PruningConfig, RandomConfig, SweepConfig, WorkersConfig
from experiments.search.plan import plan_of
from experiments.search.records import Limits, differences
from experiments.sweepline import read_line, read_resumed, typed_value
from experiments.tracking.config import TrackingConfig
from experiments.usage import CONF


def test_without_arguments_it_is_twenty_random_trials_of_the_optimizers() -> None:
    line = read_line([])
    assert (line.tuner, line.pruning, line.settings) == (RandomConfig(name="random"), PruningConfig(), SweepConfig())
    assert line.plan.space.name == "optimizers"
    assert line.limits() == Limits(20, final_seeds=3, reuse=True)


def test_the_file_of_a_sweep_has_every_setting_with_its_default() -> None:
    tree = OmegaConf.to_container(OmegaConf.load(CONF / "sweep.yaml"))
    assert isinstance(tree, dict)
    assert SweepConfig(**tree["sweep"]) == SweepConfig()
    assert {str(key) for key in tree["sweep"]} == {item.name for item in fields(SweepConfig)}


def test_the_sweep_s_own_settings_are_told_from_those_of_its_runs() -> None:
    typed = "space=depth data=sample tuner=bayesian tuner.initial_points=2 seed=3 pruning=median sweep.max_trials=30"
    line = read_line(typed.split())
    assert line.tuner == BayesianConfig(initial_points=2)
    assert line.pruning.rule == "median"
    assert line.settings.max_trials == 30
    assert line.typed == ("data=sample", "seed=3")
    tree = line.plan.bases[0].tree
    assert (tree["data"]["name"], tree["seed"], tree["model"]["name"]) == ("sample", 3, "model3")


def test_what_the_ledger_begins_with_is_the_plan_that_was_typed() -> None:
    line = read_line(["space=epochs"])
    sweep = line.sweep("a name", {"commit": "abc"})
    assert plan_of(sweep) == line.plan
    assert (sweep.name, sweep.objective, sweep.seed, sweep.tuner) == ("a name", "val_accuracy", 0, {"name": "random"})
    assert differences(sweep, read_line(["space=epochs", "sweep.max_trials=3"]).sweep("b", {})) == []
    assert differences(sweep, read_line(["space=epochs", "sweep.seed=3"]).sweep("b", {})) == ["seed=0, now 3"]


def epochs_of_the_default(*typed: str) -> int:
    epochs = read_line([*typed]).plan.default["training"]["epochs"]
    assert isinstance(epochs, int)
    return epochs


def test_under_hyperband_the_default_trains_for_as_many_epochs_as_the_winner_may_unless_its_space_says_otherwise() -> (
    None
):
    hyperband = ("tuner=hyperband", "tuner.max_epochs=9")
    assert epochs_of_the_default(*hyperband) == 9
    assert epochs_of_the_default(*hyperband, "epochs=quick", "training.batch_size=128") == 9
    assert epochs_of_the_default("space=epochs", *hyperband) == 15
    assert epochs_of_the_default("space=epochs", *hyperband, "epochs=quick") == 9
    assert epochs_of_the_default("epochs=quick") == 3


def test_a_space_of_ones_own_is_found_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "mine.yaml").write_text("name: mine\nsearch:\n  seed: [1, 2]\n", encoding="utf-8")
    line = read_line([f"--config-dir={tmp_path}", "space=mine", "tuner=grid"])
    assert line.plan.space.name == "mine"
    assert line.limits().max_trials == 2


MISTAKES = {
    "space=depht": "space=depht: expected one of depth, epochs, optimizers. Did you mean space=depth?",
    "tuner=rendom": "tuner=rendom: expected one of bayesian, grid, hyperband, random. Did you mean tuner=random?",
    "space=depth,epochs": "space=depth,epochs: more than one value; a sweep searches what its space names",
    "sweep.max_trails=3": (
        "sweep.max_trails=3: expected no such key; sweep has objective, seed, max_trials, max_minutes, max_retries, "
        "final_seeds, reuse, dry_run. Did you mean sweep.max_trials?"
    ),
    "swep.max_trials=3": "swep.max_trials=3: no such key. Did you mean sweep.max_trials?",
    "tunner=random": "tunner=random: no such key. Did you mean tuner?",
    "sweep=3": "sweep=3: no such setting. Did you mean sweep.objective, sweep.seed or sweep.max_trials?",
    "tuner.name=grid": "tuner.name=grid: a name is chosen with its group. Did you mean tuner=grid?",
    "tuner.factor=4": "tuner.factor=4: expected no such key; tuner has name",
    "sweep.seed=[1": "sweep.seed=[1: the value cannot be read. Quote text with spaces or symbols",
    "~sweep.seed": "~sweep.seed: expected key=value. Without ~: sweep.seed",
    "+sweep.seed=1": "+sweep.seed=1: expected key=value. Without +: sweep.seed=1",
    "sweep.objective=test_accuracy": "sweep.objective=test_accuracy: expected one of val_accuracy, val_loss",
    "sweep.seed='${oc.env:HOME}'": (
        "sweep.seed=${oc.env:HOME}: expected a plain value. Interpolations (${...}) are not used here"
    ),
    "space.compare=model": (
        "space.compare=model: a space is changed in its file. "
        "Put one of your own into FOLDER/space/NAME.yaml: --config-dir=FOLDER space=NAME"
    ),
    "optimizer=sgd": "optimizer=sgd: space=optimizers searches it",
    "lr=1": "lr=1: no such key. Did you mean optimizer.learning_rate?",
    "tuner=hyperband schedule=cosine": (
        "schedule=cosine: expected one whose rate does not depend on training.epochs. "
        "tuner=hyperband lets a training go on for longer than it was begun for"
    ),
    "tuner=hyperband training.epochs=5": (
        "training.epochs=5: tuner=hyperband decides how long a trial trains. "
        "tuner.max_epochs sets the epochs of the trials that get furthest"
    ),
    "experiment=seed_model1": (
        "space=optimizers: data.validation_size=0: expected validation images, since a sweep chooses by nothing else. "
        "Set data.validation_size, for example 5000"
    ),
    "--foo": "command line: unrecognized arguments: --foo. Values are given as key=value",
    "--config-dir=nowhere": "--config-dir=nowhere: no such folder",
}


@pytest.mark.parametrize(("typed", "said"), [*MISTAKES.items()])
def test_a_mistake_is_answered_with(typed: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_line(shlex.split(typed, posix=False))
    assert str(error.value) == said


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "bad.yaml").write_text("search: [1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        read_line([f"--config-dir={tmp_path}", "space=bad"])


def test_limits_workers_and_the_store_may_change_when_a_sweep_is_resumed() -> None:
    typed = ["sweep.max_trials=60", "sweep.max_minutes=2.5", "workers.count=4", "tracking.uri=http://host:5000"]
    resumed = read_resumed(typed, Limits(20, None, 1), WorkersConfig(trial_timeout_minutes=3), TrackingConfig())
    assert resumed.limits == Limits(60, 2.5, 1)
    assert read_resumed([], resumed.limits, WorkersConfig(), TrackingConfig()).limits == resumed.limits
    assert resumed.workers == WorkersConfig(count=4, trial_timeout_minutes=3)
    assert resumed.tracking == TrackingConfig(uri="http://host:5000")


def test_a_typed_value_is_read_as_hydra_does() -> None:
    assert typed_value(["tracking.uri=null"], "tracking.uri") is None
    assert typed_value(["tracking.uri='http://host:5000'", "sweep.max_trials=3"], "tracking.uri") == "http://host:5000"
    assert typed_value(["sweep.max_trials=3"], "tracking.uri") is None


def test_so_may_how_it_ends_and_what_it_takes_over() -> None:
    before = Limits(20, final_seeds=3, reuse=True)
    after = read_resumed(["sweep.final_seeds=5", "sweep.reuse=false"], before, WorkersConfig(), TrackingConfig()).limits
    assert after == Limits(20, final_seeds=5, reuse=False)
    assert read_resumed(["sweep.final_seeds=0"], before, WorkersConfig(), TrackingConfig()).limits == Limits(
        20, final_seeds=0, reuse=True
    )
    with pytest.raises(ConfigError, match=r"^sweep\.final_seeds=-1: expected a whole number at least 0"):
        read_resumed(["sweep.final_seeds=-1"], before, WorkersConfig(), TrackingConfig())
    with pytest.raises(ConfigError, match=r"^sweep\.reuse=maybe: expected true or false"):
        read_resumed(["sweep.reuse=maybe"], before, WorkersConfig(), TrackingConfig())


@pytest.mark.parametrize(
    "typed", ["space=depth", "sweep.seed=1", "tracking.experiment=x", "sweep.max_trials", "epochs=quick"]
)
def test_nothing_else_may_since_trials_depend_on_it(typed: str) -> None:
    with pytest.raises(ConfigError, match="a sweep goes on as it was begun"):
        read_resumed([typed], Limits(20), WorkersConfig(), TrackingConfig())


def test_a_limit_is_checked_as_at_the_beginning() -> None:
    with pytest.raises(ConfigError, match=r"sweep\.max_trials=0"):
        read_resumed(["sweep.max_trials=0"], Limits(20), WorkersConfig(), TrackingConfig())
    with pytest.raises(
        ConfigError, match=r"^sweep\.max_trials=null: expected a whole number at least 1, since the sweep"
    ):
        read_resumed(["sweep.max_trials=null"], Limits(20), WorkersConfig(), TrackingConfig())


def test_threads_are_set_where_none_were_typed() -> None:
    small = ["data=sample", "epochs=quick"]
    for typed, threads in ((small, 1), ([*small, "compute.threads=2"], 2)):
        sweep = read_line(typed).sweep("a", {}, threads=1)
        assert {base["config"]["compute"]["threads"] for base in sweep.bases} == {threads}
        assert sweep.default["compute"]["threads"] == threads
