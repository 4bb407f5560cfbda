"""The command, with real peers in processes of their own, on very little work."""

import json
from pathlib import Path

import pytest

from benchmarks import command, costs, machine, train
from benchmarks.tasks import RECIPES, Task
from benchmarks.workers import Worker, WorkerError

TINY = ["--models", "model1", "--images", "64", "--repeats", "2", "--data", "sample"]


def test_peers_take_turns_and_the_results_are_kept_as_json_and_markdown(tmp_path: Path) -> None:
    path = tmp_path / "results" / "train.json"
    code = train.main(
        [*TINY, "--peers", "ours,keras,sgemm", "--skip", "memory,tracking", "--busy-ok", "--json", str(path)]
    )
    results = json.loads(path.read_text())
    model1 = results["models"]["model1"]
    assert code == 0
    assert {name: len(peer["seconds"]) for name, peer in model1["peers"].items()} == {"ours": 2, "keras": 2, "sgemm": 2}
    ours, keras = (model1["peers"][name]["seconds"] for name in ("ours", "keras"))
    assert model1["faster_than"]["keras"]["max"] == pytest.approx(
        max(k / o for k, o in zip(keras, ours, strict=True)), abs=1e-3
    )
    assert model1["peers"]["ours"]["peak_memory_mb"] > 300 > model1["peers"]["sgemm"]["peak_memory_mb"] > 50
    assert model1["images"] == 64
    assert len(model1["others_cpu"]) == 2
    assert results["busy_ok"] is True
    assert "| model1 | Keras `fit`, TensorFlow |" in path.with_suffix(".md").read_text()


def test_a_busy_machine_gets_no_figures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine, "look", lambda: {"load_average": [9.0, 9.0, 9.0], "others_cpu": 0.9})
    assert train.main(TINY) == 2
    assert "busy" in capsys.readouterr().err


def test_a_peer_that_fails_is_named_with_its_traceback() -> None:
    with Worker("sgemm") as worker, pytest.raises(WorkerError, match=r"sgemm: turn failed\n(.|\n)*_matrix"):
        worker.ask("turn")


def test_a_peer_whose_process_ends_is_named() -> None:
    with Worker("sgemm") as worker:
        worker._process.kill()
        with pytest.raises(WorkerError, match="sgemm: its process ended"):
            worker.ask("turn")


def test_made_up_images_do_not_overwrite_the_results_that_are_kept() -> None:
    assert train.parse(TINY).json is None
    assert train.parse([]).json == train.RESULTS


@pytest.mark.parametrize("wrong", [["--models", "model4"], ["--peers", "jax"], ["--images", "0"], ["--repeats", "x"]])
def test_a_wrong_option_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        train.parse(wrong)
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_help_says_how_to_get_pytorch(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.parse(["--help"])
    assert "pip install torch" in capsys.readouterr().out


def test_a_peer_that_is_not_installed_is_left_out_loudly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda package: None)
    options = train.parse([*TINY, "--peers", "torch,sgemm", "--skip", "memory,tracking"])
    results = train.benchmark(options, {}, train.Console())
    assert command.INSTALL["torch"] in results["left_out"]["torch"]
    assert list(results["models"]["model1"]["peers"]) == ["sgemm"]
    assert "torch IS LEFT OUT" in capsys.readouterr().out


def test_every_network_has_its_recipe_and_a_whole_number_of_batches() -> None:
    for model in RECIPES:
        config = Task(model, train.IMAGES[model]).config
        assert config.model.name == model
        assert train.IMAGES[model] % (50 * config.training.batch_size) == 0


def test_the_record_of_an_epoch_is_timed_on_a_real_store() -> None:
    taken = costs.tracking_seconds(epochs=2)
    assert 0 < taken["min"] <= taken["median"] <= taken["max"] < 60


def test_a_run_that_fails_says_what_it_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(costs.OPTIMIZER_OF, "model1", "nonsense")
    with pytest.raises(RuntimeError, match=r"exit code 2(.|\n)*nonsense"):
        costs.whole_run("model1", "sample")
