"""The command, with recipes that only say what they came to."""

import json
from pathlib import Path

import pytest

from benchmarks import accuracy, machine, recipes
from benchmarks.recipes import Training

TINY = ["--models", "model1", "--data", "sample", "--images", "320", "--busy-ok"]

Asked = list[tuple[str, str, int, list[str]]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Every training that was asked for; ours takes 10 seconds, the document's 40 and then 60."""
    asked: Asked = []

    def ours(model: str, seed: int, more: list[str]) -> Training:
        asked.append(("ours", model, seed, more))
        return Training(10.0, 20.0, 0.64)

    def document(model: str, seed: int, more: list[str]) -> Training:
        asked.append(("document", model, seed, more))
        return Training(40.0 + 20 * seed, 70.0, 0.63)

    monkeypatch.setattr(machine, "look", lambda: {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.0})
    monkeypatch.setattr(recipes, "ours", ours)
    monkeypatch.setattr(recipes, "document", document)
    return asked


def test_both_recipes_train_on_the_same_seeds_and_images_in_turn(asked: Asked, tmp_path: Path) -> None:
    path = tmp_path / "accuracy.json"
    assert accuracy.main([*TINY, "--repeats", "2", "--document-repeats", "2", "--json", str(path)]) == 0
    more = ["data=sample", "data.train_size=320"]
    assert asked == [(who, "model1", seed, more) for seed in (0, 1) for who in ("ours", "document")]
    results = json.loads(path.read_text())
    assert results["faster_than"]["model1"] == {"median": 5.0, "min": 4.0, "max": 6.0}
    assert results["models"]["model1"]["trainings"]["ours"][1]["test_accuracy"] == 0.64
    assert "| model1 | `experiment=fast_model1` | 10.0 (10.0 - 10.0) |" in path.with_suffix(".md").read_text()


def test_the_document_s_recipe_may_go_along_less_often(asked: Asked) -> None:
    assert accuracy.main([*TINY, "--repeats", "3"]) == 0
    assert [who for who, *_ in asked] == ["ours", "document", "ours", "ours"]


def test_a_recipe_that_fails_ends_the_command_with_what_it_said(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> Training:
        raise RuntimeError("exit code 1\nout of memory")

    monkeypatch.setattr(recipes, "document", fail)
    assert accuracy.main(TINY) == 1
    assert "out of memory" in capsys.readouterr().err


def test_only_all_of_the_usual_work_is_kept_where_nothing_else_was_asked_for(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accuracy.parse(["--busy-ok"]).json == accuracy.RESULTS
    for other in (["--models", "model1"], ["--images", "640"], ["--repeats", "1"], ["--data", "sample"]):
        assert accuracy.parse(other).json is None
        assert accuracy.parse([*other, "--json", "x.json"]).json == Path("x.json")
    assert accuracy.main(TINY) == 0
    assert "not written: this is not all of the usual work; --json FILE writes it" in capsys.readouterr().out


def test_made_up_images_do_not_overwrite_the_results_that_are_kept() -> None:
    assert accuracy.parse(TINY).json is None
    assert accuracy.parse([]).json == accuracy.RESULTS
    assert accuracy.parse([]).repeats == 3
