"""A configuration as a preset runs as it was."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import yaml

from cifar.config import SGD, Cosine, Model3Config, RunConfig, TrainingConfig
from experiments.commandline import check
from experiments.presets import expand
from experiments.recipe import as_recipe


def test_a_recipe_composes_to_the_configuration_that_it_was_made_of(tmp_path: Path) -> None:
    from pathlib import Path

    run = RunConfig(
        model=Model3Config(depth=2, max_norm=None),
        optimizer=SGD(momentum=0.9, nesterov=True),
        schedule=Cosine(),
        training=TrainingConfig(epochs=7, restore_best_weights=True),
        seed=5,
    )
    file = Path(str(tmp_path)) / "mine.yaml"
    file.write_text(as_recipe(asdict(run), ["first line", ""]), encoding="utf-8")
    line = check(expand([f"experiment={file}"]))
    assert line.first is not None
    assert line.first.run == run


def test_its_head_is_what_hydra_and_people_look_for() -> None:
    text = as_recipe(asdict(RunConfig()), ["how to run it", "", "what it scores"])
    assert text.splitlines()[:6] == [
        "# @package _global_", "#", "# how to run it", "#", "# what it scores", "defaults:"
    ]  # fmt: skip
    tree = yaml.safe_load(text)
    assert {"override /model": "model1"} in tree["defaults"]
    assert tree["compute"] == {"backend": "tensorflow", "deterministic": False, "precision": "float32"}, (
        "device and threads are the machine's"
    )
    assert "name" not in tree["model"]
