from __future__ import annotations

from pathlib import Path

import pytest

from cifar.config import ConfigError
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
        "model='model2'",
        "model.filters=16",
        "seed=4",
        "epochs=long",
    ]


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
