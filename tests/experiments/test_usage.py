"""Help: what Hydra would show, sooner."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.usage import asks_for_help, help_text


@pytest.mark.parametrize(
    ("argv", "asks"),
    [(["--help"], True), (["model=model2", "-h"], True), ([], False), (["--hydra-help"], False), (["help=1"], False)],
)
def test_help_may_stand_anywhere(argv: list[str], asks: bool) -> None:
    assert asks_for_help(argv) is asks


def test_the_options_of_a_run_are_listed_and_not_those_of_a_sweep() -> None:
    lines = help_text([]).splitlines()
    assert lines[0] == "Trains a small image classifier on CIFAR-10 and records the run in MLflow."
    assert "model: model1, model2, model3" in lines
    assert "tracking: local, off" in lines
    assert [line for line in lines if line.startswith(("space:", "tuner:", "workers:", "hydra:"))] == []
    assert "$" not in help_text([])


@pytest.mark.parametrize("typed", [["--config-dir={}"], ["--config-dir", "{}"], ["-cd", "{}"]])
def test_the_options_of_a_folder_of_ones_own_are_listed_too(typed: list[str], tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").touch()
    argv = [item.format(tmp_path) for item in typed]
    assert "lion, mine, nadam" in help_text([*argv, "--help"])
