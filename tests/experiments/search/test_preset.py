from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cifar.config import SGD, ComputeConfig, DataConfig, Model3Config, RunConfig, TrainingConfig
from experiments.commandline import check
from experiments.presets import expand
from experiments.search.preset import as_preset
from experiments.search.records import Trial
from tests.experiments.search.sweeps import sweep_of

RUN = RunConfig(
    model=Model3Config(depth=2, dropout_rate=0.125),
    optimizer=SGD(learning_rate=0.0123, momentum=0.9),
    training=TrainingConfig(epochs=7, batch_size=64),
    data=DataConfig(name="sample", train_size=500, validation_size=100),
    compute=ComputeConfig(threads=1),
    seed=3,
)


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    path = tmp_path / "best.yaml"
    trial = Trial(7, {}, asdict(RUN), state="finished", score=0.6123, facts={"run_id": "abc"})
    path.write_text(as_preset(trial, sweep_of(), 20, str(path)), encoding="utf-8")
    return path


EXPECTED = asdict(replace(RUN, training=replace(RUN.training, restore_best_weights=True), compute=ComputeConfig()))
"""The epoch that the trial was judged by is kept."""


def test_a_run_of_it_has_every_setting_of_the_trial_but_those_of_the_machine(preset: Path) -> None:
    first = check(expand([f"experiment={preset}"])).first
    assert first is not None
    assert asdict(first.run) == EXPECTED


def test_as_a_file_of_conf_experiment_it_says_the_same(preset: Path) -> None:
    folder = preset.parent / "experiment"
    folder.mkdir()
    preset.rename(folder / "mine.yaml")
    first = check([f"--config-dir={preset.parent}", "experiment=mine"]).first
    assert first is not None
    assert asdict(first.run) == EXPECTED


def test_it_says_where_it_comes_from_and_how_little_that_proves(preset: Path) -> None:
    text = preset.read_text(encoding="utf-8")
    assert text.startswith("# @package _global_\n")
    assert "# Trial 7, MLflow run abc: best val_accuracy 0.6123, one seed, the best of 20 trials of a sweep." in text
    assert "# Trained with compute.threads=1, which repeats it to the bit." in text
    assert "# A trial counts by its best epoch, so that one is kept: training.restore_best_weights." in text


def test_under_val_loss_it_says_that_another_epoch_may_be_kept_than_the_one_that_counted() -> None:
    trial = Trial(7, {}, asdict(RUN), state="finished", score=0.6123)
    text = as_preset(trial, replace(sweep_of(), objective="val_loss"), 20, "best.yaml")
    assert "# It counts by its best val_loss; kept is its best val_accuracy: training.restore_best_weights." in text
