from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cifar.fields import ConfigError
from experiments.presets import expand, mixed
from experiments.run import main
from experiments.usage import CONF

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


def test_a_flag_s_value_is_no_group(preset: Path) -> None:
    assert "model='model2'" in expand(["--config-dir", "model", f"experiment={preset}"])


def test_values_that_a_preset_keeps_beside_a_group_are_told_and_the_file_s_path_drops_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CONF.parent)
    typed = ["optimizer=sgd", "epochs=long", "training.batch_size=32", "--cfg", "job"]
    assert main(["experiment=fast_model3", *typed]) == 0
    shown, told = capsys.readouterr()
    path = "experiment=conf/experiment/fast_model3.yaml"
    assert told.splitlines() == [
        "note: experiment=fast_model3 keeps optimizer.learning_rate=0.003, optimizer.weight_decay=0.1 beside "
        f"optimizer=...; without: {path} optimizer=...",
        f"note: experiment=fast_model3 keeps training.epochs=7 beside epochs=...; without: {path} epochs=...",
    ]
    kept = yaml.safe_load(shown)
    assert (kept["optimizer"]["name"], kept["optimizer"]["weight_decay"], kept["training"]["epochs"]) == ("sgd", 0.1, 7)
    assert main([path, *typed]) == 0
    shown, told = capsys.readouterr()
    assert told == ""
    own = yaml.safe_load(shown)
    assert (own["optimizer"]["learning_rate"], own["optimizer"]["weight_decay"]) == (0.01, None)
    assert (own["training"]["epochs"], own["training"]["batch_size"]) == (50, 32)
    assert (own["model"]["name"], own["model"]["dense_dropout_rate"], own["data"]["random_flip"]) == (
        "model3",
        0.4,
        True,
    )


def test_where_nothing_is_kept_nothing_is_told() -> None:
    assert mixed(["experiment=fast_model1", "seed=1", "model.filters=16", "compute=cpu"]) == []
    assert mixed(["optimizer=sgd"]) == []
    assert len(mixed(["-m", "experiment=fast_model1,fast_model3", "optimizer=sgd"])) == 2


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
        ("defaults: [seed_model1]", "builds on another preset"),
    ],
)
def test_what_is_no_preset_is_refused_in_one_line(preset: Path, text: str | None, told: str) -> None:
    preset.unlink()
    if text is not None:
        preset.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        expand([f"experiment={preset}"])


def test_two_files_are_refused(preset: Path) -> None:
    with pytest.raises(ConfigError, match="expected one file"):
        expand([f"experiment={preset}", f"experiment={preset}"])


def test_a_mistake_in_it_is_explained_like_one_that_was_typed(preset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset.write_text("model:\n  fliters: 3\n", encoding="utf-8")
    assert main([f"experiment={preset}"]) == 2
    assert "Did you mean model.filters" in capsys.readouterr().err
