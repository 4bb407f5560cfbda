"""Results are read from a server that keeps the artifacts, by somebody who has nothing but its address."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from experiments import compare, predict, promote, report, reproduce
from experiments.tracking.config import TrackingConfig
from experiments.tracking.recorder import Recorder
from experiments.tracking.store import open_to_read
from tests.experiments.results.test_sweep_summary import VERDICT
from tests.services.mlflow_server import running


@pytest.fixture(scope="module")
def address(
    tensorflow_on_cpu: None,
    tmp_path_factory: pytest.TempPathFactory,
    exit_code: Callable[..., int],
    tiny: tuple[str, ...],
) -> Iterator[str]:
    """A server of our own, since `best` is asked for; with two runs of two seeds, and the run of a sweep."""
    with running(tmp_path_factory.mktemp("server")) as server, chdir(tmp_path_factory.mktemp("home")):
        for seed in (0, 1):
            typed = (f"tracking.uri={server.uri}", f"tracking.run_name=seed{seed}", f"seed={seed}")
            assert exit_code(*tiny, "compute=cpu", "training.epochs=1", *typed) == 0
        about = {"sweep.space": "optimizers", "sweep.objective": "val_accuracy"}
        with Recorder(TrackingConfig(uri=server.uri), Path("sweeps/a"), "a sweep", params=about) as recorder:
            recorder.log_json(VERDICT, "verdict.json")
            recorder.log_figure(Figure(figsize=(2, 1)), "figures/best_so_far.png")
        yield server.uri


@pytest.fixture
def here(address: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has never seen a run."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return project


def test_a_report_has_the_pictures_and_the_answers_to_the_test_images(here: Path) -> None:
    assert report.main([]) == 0
    page = (here / "report.html").read_text(encoding="utf-8")
    assert page.count('alt="sweep a sweep: best so far"') == 1
    assert "The winner is better by" in page
    assert '"confusion 1"' in page
    assert "not all here" not in page


def test_two_runs_are_compared_on_the_images(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["seed0", "seed1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test"]["n"] == 20
    assert (found["settings"], found["unknown"]) == ({"seed": ["0", "1"]}, [])


def test_its_network_tells_pictures_apart(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save("a.png")
    assert predict.main(["best", "a.png", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert len(row["probabilities"]) == 10


def test_a_run_is_made_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce.main(["seed0"]) == 0
    assert "identical to the bit, in all 1 epochs and every answer to the test images" in capsys.readouterr().out


def test_a_network_becomes_the_champion(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "conf" / "experiment").mkdir(parents=True)
    monkeypatch.setattr(promote, "CONF", here / "conf")
    assert promote.main(["seed0", "--seeds", "2", "--force", "--name", "mine"]) == 0
    champion = open_to_read(TrackingConfig()).client.get_model_version_by_alias("cifar10", "champion")
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save("a.png")
    assert predict.main(["champion", "a.png"]) == 0
    assert compare.main(["champion", champion.run_id[:8]]) == 0
