"""A network becomes the champion only if it is better, and answers a real request then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import chdir, suppress
from pathlib import Path

import pytest
import yaml

from experiments import promote
from experiments.promote import main
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import read_runs
from experiments.tracking.service import TrackingError
from experiments.tracking.store import open_to_read
from tests.services.ports import free_port


@pytest.fixture(scope="module")
def home(new_home: Callable[..., Path]) -> Iterator[Path]:
    """A working folder with a promoted run, and presets of its own."""
    home = new_home(("tracking.run_name=first",))
    (home / "conf" / "experiment").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, chdir(home):
        patch.setattr(promote, "CONF", home / "conf")
        patch.setattr(promote, "REAL", "sample")
        assert main(["first", "--seeds", "2"]) == 0
        yield home


@pytest.fixture
def here(home: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def version() -> tuple[str, str, dict[str, str]]:
    found = open_to_read(TrackingConfig()).client.get_model_version_by_alias("cifar10", "champion")
    return str(found.version), found.run_id, found.tags


def test_the_first_one_is_registered_after_the_seeds_that_were_missing(here: Path) -> None:
    runs = {run.name: run for run in read_runs(TrackingConfig())}
    assert sorted(runs) == ["first", "first-seed1"]
    assert runs["first-seed1"].tags["promotes"] == runs["first"].run_id
    number, run_id, tags = version()
    assert (number, run_id, tags["seeds"], tags["forced"]) == ("1", runs["first"].run_id, "0,1", "False")
    assert tags["model.sha256"] == runs["first"].tags["model.sha256"]


def test_its_setting_is_a_preset(here: Path) -> None:
    text = (here / "conf" / "experiment" / "first.yaml").read_text(encoding="utf-8")
    assert "# python -m experiments.run experiment=first" in text
    assert yaml.safe_load(text)["training"]["epochs"] == 1


def test_the_champions_own_setting_is_not_registered_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["first-seed1", "--seeds", "2", "--name", "other"]) == 0
    assert "is a seed of this very setting" in capsys.readouterr().out
    assert version()[0] == "1"


def test_what_is_not_better_is_not_promoted_unless_it_is_forced(
    here: Path, exit_code: Callable[..., int], tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ("tracking.run_name=second", "compute=cpu", "training.epochs=1", "optimizer.learning_rate=1e-6")
    assert exit_code(*tiny, *typed) == 0
    assert main(["second", "--seeds", "1"]) == 1
    told = capsys.readouterr().out
    assert "no interval, since one of them has a single seed" in told
    assert "not promoted: it is not better beyond doubt" in told
    assert version()[0] == "1"
    assert not (here / "conf" / "experiment" / "second.yaml").exists()
    assert main(["second", "--seeds", "1", "--force"]) == 0
    assert (version()[0], version()[2]["forced"]) == ("2", "True")


def test_what_was_scored_on_other_images_is_refused(
    here: Path,
    exit_code: Callable[..., int],
    tiny: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fewer = [item for item in tiny if not item.startswith("data.test_size")]
    typed = (
        "tracking.run_name=third",
        "compute=cpu",
        "training.epochs=1",
        "data.test_size=10",
        "tracking.log_model=false",
    )
    assert exit_code(*fewer, *typed) == 0
    assert main(["third"]) == 2
    assert "error: data.test_size=10: expected 20, as the champion was scored" in capsys.readouterr().err
    monkeypatch.setattr(promote, "REAL", "cifar10")
    assert main(["first", "--name", "other"]) == 2
    assert "error: data.name=sample: expected cifar10, the images that cifar10 is for" in capsys.readouterr().err


def test_a_champion_that_did_not_end_is_nothing_to_be_better_than(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = open_to_read(TrackingConfig()).client
    number, run_id, _ = version()
    client.set_terminated(run_id, "KILLED")
    try:
        assert main(["first", "--seeds", "1", "--name", "other"]) == 2
    finally:
        client.set_terminated(run_id, "FINISHED")
    told = capsys.readouterr().err
    assert told.startswith(f"error: champion={run_id[:8]}: expected a finished run of its setting with a test accuracy")
    assert version()[0] == number


def test_a_registry_that_fails_leaves_no_preset(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> int:
        raise TrackingError("the registry is away")

    monkeypatch.setattr(promote, "register", fails)
    assert main(["first", "--seeds", "1", "--name", "other", "--force"]) == 2
    assert "the registry is away" in capsys.readouterr().err
    assert not (here / "conf" / "experiment" / "other.yaml").exists()


def test_a_champion_whose_run_was_deleted_keeps_nobody_out(here: Path) -> None:
    client = open_to_read(TrackingConfig()).client
    run_id = version()[1]
    client.delete_run(run_id)
    try:
        assert promote._champion(TrackingConfig()) is None
    finally:
        client.restore_run(run_id)


def test_a_preset_is_not_replaced_unless_it_is_forced(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["first", "--seeds", "2"]) == 2
    assert "another name, since" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ([], "the following arguments are required: run"),
        (["frist"], "Did you mean first"),
        (["first", "--seeds", "0"], "--seeds=0: expected a whole number of at least 1"),
        (["first", "--name", "../x"], "--name=../x: expected 1 to 100 letters"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    here: Path, typed: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert told in shown.err


def test_the_champion_answers_raw_pixels_over_http(here: Path) -> None:
    port = free_port()
    activated = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow looks for uvicorn there
    own = {"PATH": activated, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = ["models", "serve", "-m", "models:/cifar10@champion", "--env-manager", "local", "--port", str(port)]
    with (here / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *command],
            env={**os.environ, **own},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        body = json.dumps({"inputs": [[[[0, 128, 255]] * 32] * 32] * 2}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        answer = None
        for _ in range(400):
            assert server.poll() is None, (here / "serve.log").read_text()
            try:
                answer = json.loads(urllib.request.urlopen(request, timeout=60).read())
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.3)
        assert answer is not None, (here / "serve.log").read_text()
        assert [len(row) for row in answer["predictions"]] == [10, 10]
        assert sum(answer["predictions"][0]) == pytest.approx(1, abs=1e-4)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait()


def test_its_help_says_what_better_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "Better means" in capsys.readouterr().out
