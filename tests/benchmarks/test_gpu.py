"""The command works where there is JAX and neither TensorFlow nor MLflow, and times nothing that is not right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu
from cifar.compute import Device

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(report, results, table) of a machine that has JAX and what is to be carried, and nothing else."""
    folder = tmp_path_factory.mktemp("gpu")
    script = Path(__file__).with_name("gpu_process.py")
    command = [sys.executable, str(script), str(folder)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "HOME": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    files = [(folder / name).read_text() for name in ("report.json", "gpu.json", "gpu.md")]
    return json.loads(files[0]), json.loads(files[1]), files[2]


def test_it_needs_nothing_but_jax_and_the_packages_that_it_names(there: Any) -> None:
    assert there[0]["code"] == 0
    assert there[0]["imported"] == []


def test_both_peers_take_turns_and_their_epochs_are_compared(there: Any) -> None:
    model1 = there[1]["models"]["model1"]
    assert {name: len(peer["seconds"]) for name, peer in model1["peers"].items()} == {"ours": 2, "keras": 2}
    ours, keras = (model1["peers"][name]["seconds"] for name in ("ours", "keras"))
    expected = max(theirs / (both / 2) for both, theirs in zip(ours, keras, strict=True))
    assert model1["faster_than_keras"]["max"] == pytest.approx(expected, rel=1e-2), "a turn of ours has two epochs"
    assert all(peer["first_seconds"] > 0 for peer in model1["peers"].values())
    assert "| model1 | Keras `fit` |" in there[2]


def test_without_a_gpu_nothing_is_reached_or_missed(there: Any) -> None:
    assert there[1]["device"]["kind"] == "cpu"
    assert there[1]["goals"] == []
    assert "No goals here" in there[2]


def test_a_scan_comes_to_what_the_steps_come_to(there: Any) -> None:
    parity = there[1]["models"]["model1"]["parity"]
    assert parity["losses"] < 1e-5
    assert parity["weights"] < 1e-3


def test_a_side_computes_on_the_device_that_it_was_given(there: Any) -> None:
    assert there[0]["placed"] == [1]


def test_where_the_device_computes_something_else_nothing_is_timed(there: Any) -> None:
    code, told = there[0]["broken"]
    assert code == 1
    assert told.startswith("error: model1 on cpu: the losses are")
    assert told.count("\n") == 1


def test_every_turn_begins_with_fresh_weights(there: Any) -> None:
    assert there[0]["renewed"] is True


@pytest.mark.parametrize(
    ("typed", "kind", "kept"),
    [([], "gpu", True), ([], "cpu", False), (["--epochs", "2"], "gpu", False), (["--unroll", "4"], "gpu", False)],
)
def test_only_the_usual_work_on_a_gpu_is_kept(typed: list[str], kind: str, kept: bool) -> None:
    options = gpu.parse(typed)
    options.found = Device(kind, "a device")
    assert gpu.is_usual(options) is kept


@pytest.mark.parametrize(
    "wrong", [["--models", "model4"], ["--images", "45001"], ["--images", "89"], ["--device", "tpu"], ["--epochs", "0"]]
)
def test_a_wrong_option_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        gpu.parse(wrong)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_gpu_that_is_asked_for_and_not_there_is_a_line_and_exit_code_2(there: Any) -> None:
    code, told = there[0]["no gpu"]
    assert code == 2
    assert told.startswith("error: compute.device=gpu: expected a GPU")
    assert told.count("\n") == 1


def test_what_is_to_be_carried_can_be_given_to_pip(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--packages"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("keras==") and not line.endswith("compiled") for line in lines)
    assert any(line.startswith("optree==") and line.endswith("# compiled") for line in lines)
    assert not any(line.startswith(("jax", "numpy", "tensorflow", "mlflow")) for line in lines)


@pytest.mark.parametrize(("asked", "then"), [("cuda", "cuda,cpu"), ("cpu", "cpu"), ("cuda,cpu", "cuda,cpu")])
def test_the_processor_is_there_where_jax_was_told_to_use_a_gpu_only(
    asked: str, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", asked)
    gpu.also_on_the_processor()
    assert gpu.os.environ["JAX_PLATFORMS"] == then
