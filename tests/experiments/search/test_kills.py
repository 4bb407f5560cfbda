"""kill -9 of the driver at any moment, then resume: the same trials with the same values, each exactly once.

So it is with the trainings that a sweep ends with: the moments are spread over them too.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.search.finals import verdict
from experiments.search.history import PARTS
from experiments.search.ledger import LEDGER_FILE, read_ledger
from experiments.search.records import Trial
from experiments.search.verdict import in_words
from tests.experiments.search.sweeps import FINAL_SEEDS, TUNERS, Death, Sweeps

FINALS = 2 * FINAL_SEEDS
KILLS = {"random": 15, "grid": 15, "hyperband": 15, "bayesian": 4}


@pytest.fixture(scope="module")
def sweeps() -> Iterator[Sweeps]:
    with Sweeps() as sweeps:
        yield sweeps


def trials_of(folder: Path) -> list[Trial]:
    """The trials of a sweep and the trainings that it ends with, but for how often they were begun."""
    history = read_ledger(folder)
    return [replace(trial, attempts=0) for trial in [*history.trials, *history.finals]]


def deaths(tuner: str, calls: int) -> list[Death]:
    """Random moments of a sweep, evenly over its calls, with each way to die."""
    numbers = random.Random(tuner)
    number = KILLS[tuner]
    return [
        Death(
            numbers.randint(1 + calls * part // number, calls * (part + 1) // number),
            ("before", "half", "after")[part % 3],
        )
        for part in range(number)
    ]


@pytest.mark.parametrize("tuner", KILLS)
def test_a_sweep_that_is_killed_and_resumed_ends_like_one_that_was_not(
    sweeps: Sweeps, tmp_path: Path, tuner: str
) -> None:
    number = TUNERS[tuner][2]
    undisturbed = sweeps.run(tmp_path / "undisturbed", tuner)
    assert undisturbed["code"] == 0
    expected = trials_of(tmp_path / "undisturbed")
    assert len(expected) == number + FINALS
    assert all(trial.has_ended for trial in expected)
    assert [(final.of, final.config["seed"], final.state) for final in expected[number:]] == [
        ("winner", 1, "finished"), ("default", 1, "finished"), ("winner", 2, "finished"), ("default", 2, "finished"),
    ]  # fmt: skip
    told = words(tmp_path / "undisturbed")
    in_finals = 0
    for place, death in enumerate(deaths(tuner, undisturbed["calls"])):
        folder = tmp_path / str(place)
        assert sweeps.run(folder, tuner, death)["code"] == -9, death
        in_finals += bool((folder / LEDGER_FILE).is_file() and b'"final": 1' in (folder / LEDGER_FILE).read_bytes())
        assert sweeps.run(folder, tuner)["code"] == 0, death
        assert trials_of(folder) == expected, death
        parts = [("trial", one) for one in range(1, number + 1)] + [("final", one) for one in range(1, FINALS + 1)]
        assert ends(folder) == dict.fromkeys(parts, 1), death
        assert words(folder) == told, death
    assert in_finals > 0


@pytest.mark.parametrize("tuner", ["random", "grid"])
def test_so_does_one_with_several_workers(sweeps: Sweeps, tmp_path: Path, tuner: str) -> None:
    calls = sweeps.run(tmp_path / "undisturbed", tuner)["calls"]
    expected = trials_of(tmp_path / "undisturbed")
    for place, death in enumerate(deaths(tuner, calls)[::3]):
        assert sweeps.run(tmp_path / str(place), tuner, death, workers=3)["code"] == -9, death
        assert sweeps.run(tmp_path / str(place), tuner, workers=3)["code"] == 0, death
        assert trials_of(tmp_path / str(place)) == expected, death


def test_a_sweep_that_is_killed_again_and_again_ends_like_one_that_was_not(sweeps: Sweeps, tmp_path: Path) -> None:
    sweeps.run(tmp_path / "undisturbed", "hyperband")
    numbers = random.Random(0)
    killed = 0
    while sweeps.run(tmp_path / "a", "hyperband", Death(numbers.randint(3, 25), "half"))["code"] == -9:
        killed += 1
    assert killed > 5
    assert trials_of(tmp_path / "a") == trials_of(tmp_path / "undisturbed")


def words(folder: Path) -> str:
    """What a sweep says of its winner in the end."""
    found = verdict(read_ledger(folder))
    assert found is not None
    return in_words(found)


def ends(folder: Path) -> dict[tuple[str, int], int]:
    """How often each trial, and each final training, ended."""
    lines = [json.loads(line) for line in (folder / LEDGER_FILE).read_text(encoding="utf-8").splitlines()]
    return Counter((part, line[part]) for line in lines if line["kind"] == "ended" for part in PARTS if part in line)
