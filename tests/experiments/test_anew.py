"""A setting that was found in a store is trained as `experiments.run` would train it."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from omegaconf import DictConfig
from rich.console import Console

from experiments import execution
from experiments.anew import train_anew
from experiments.schema import load
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import read_runs
from experiments.tracking.signals import Terminated

pytestmark = pytest.mark.usefixtures("tensorflow_on_cpu", "empty_pictures")


def test_it_is_a_run_of_its_own_in_a_new_folder(database: Path, composed: Callable[..., DictConfig]) -> None:
    settings = load(composed("training.epochs=1", "tracking.run_name=mine", "tracking.log_model=false"))
    result = train_anew(settings, Console(file=io.StringIO()), {"why": "a test"})
    (run,) = read_runs(TrackingConfig())
    assert (run.run_id, run.name, run.status, run.tags["why"]) == (result.run_id, "mine", "FINISHED", "a test")
    (config,) = Path("outputs").glob("*/.hydra/config.yaml")
    assert yaml.safe_load(config.read_text())["training"]["epochs"] == 1
    assert run.tags["folder"] == str(config.parents[1])


def test_a_training_that_is_stopped_leaves_its_log_and_no_traceback_on_the_terminal(
    database: Path,
    composed: Callable[..., DictConfig],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def stop(*about: object) -> None:
        raise Terminated

    monkeypatch.setattr(execution, "_train", stop)
    before = [*logging.getLogger().handlers]
    with pytest.raises(Terminated):
        train_anew(load(composed()), Console(file=io.StringIO()), {})
    (log,) = Path("outputs").glob("*/console.log")
    assert "the run ended early: Traceback" in log.read_text()
    assert capfd.readouterr().err == ""
    assert logging.getLogger().handlers == before
    assert [run.status for run in read_runs(TrackingConfig())] == ["KILLED"]
