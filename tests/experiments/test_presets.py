from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cifar.fields import ConfigError
from experiments.presets import expand
from experiments.run import main

PRESET = """\
# @package _global_
defaults:
  - override /model: model2
  - override /epochs: quick
model:
  filters: 16
training:
  epochs: 9
seed: 4
"""


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    path = tmp_path / "best.yaml"
    path.write_text(PRESET, encoding="utf-8")
    return path


def test_a_preset_from_anywhere_becomes_what_would_be_typed(preset: Path) -> None:
    assert expand([f"experiment={preset}"]) == [
        "model='model2'",
        "epochs='quick'",
        "model.filters=16",
        "training.epochs=9",
        "seed=4",
    ]


def test_what_is_typed_beside_it_counts_more(preset: Path) -> None:
    typed = ["model=model1", "seed=1", "training.epochs=2"]
    assert expand([f"experiment={preset}", *typed]) == ["epochs='quick'", *typed]
    assert expand(["epochs=long", f"experiment={preset}"]) == [
        "epochs=long",
        "model='model2'",
        "model.filters=16",
        "seed=4",
    ]


def test_flags_keep_their_values(preset: Path) -> None:
    assert expand(["--cfg", "job", f"experiment={preset}", "-m"]) == [
        "--cfg",
        "job",
        *expand([f"experiment={preset}"]),
        "-m",
    ]


def test_a_group_that_is_typed_beside_a_preset_of_conf_experiment_counts_with_all_of_its_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = ["experiment=fast_model3", "optimizer=sgd", "epochs=long", "--cfg", "job"]
    assert main(typed) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["optimizer"]["name"] == "sgd"
    assert shown["optimizer"]["learning_rate"] == 0.01
    assert shown["optimizer"]["weight_decay"] is None
    assert shown["training"]["epochs"] == 50
    assert shown["training"]["batch_size"] == 32
    assert (shown["model"]["name"], shown["model"]["dense_dropout_rate"]) == ("model3", 0.4)
    assert shown["data"]["random_flip"] is True


def test_a_preset_of_conf_experiment_is_left_to_hydra() -> None:
    assert expand(["experiment=seed_model1", "seed=1"]) == ["experiment=seed_model1", "seed=1"]
    assert expand(["seed=1"]) == ["seed=1"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "the file cannot be read"),
        ("- a list", "the file is no preset"),
        ("a: [", "the file is no YAML"),
        ("a: &x {}\nb: *x", "more than a preset"),
        ("defaults: nothing", "the file is no preset"),
    ],
)
def test_what_is_no_preset_is_refused_in_one_line(preset: Path, text: str | None, told: str) -> None:
    preset.unlink()
    if text is not None:
        preset.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        expand([f"experiment={preset}"])


def test_a_mistake_in_it_is_explained_like_one_that_was_typed(preset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset.write_text("model:\n  fliters: 3\n", encoding="utf-8")
    assert main([f"experiment={preset}"]) == 2
    assert "Did you mean model.filters" in capsys.readouterr().err
