"""Who trains to an accuracy."""

import json
from pathlib import Path

import pytest

from benchmarks import recipes
from benchmarks.processes import Ended
from benchmarks.recipes import Training


@pytest.mark.parametrize(
    ("who", "module", "preset", "result"),
    [
        (recipes.ours, "experiments.run", "fast_model2", "run/result.json"),
        (recipes.document, "benchmarks.plain_document", "seed_model2", "result.json"),
    ],
)
def test_a_recipe_is_a_command_of_its_own_that_says_what_it_scored(
    who: object, module: str, preset: str, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(asked: str, arguments: list[str], folder: str, environment: dict[str, str]) -> Ended:
        assert asked == module
        assert {f"experiment={preset}", "seed=2", "data=sample"} <= {*arguments}
        metrics = {"training_seconds": 5.0, "test_accuracy": 0.72}
        Path(folder, result).parent.mkdir(exist_ok=True)
        Path(folder, result).write_text(json.dumps(metrics | {"metrics": metrics}))
        return Ended(9.0, 100)

    monkeypatch.setattr(recipes, "run_to_end", run)
    assert who("model2", 2, ["data=sample"]) == Training(5.0, 9.0, 0.72)  # type: ignore[operator]
