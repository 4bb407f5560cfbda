"""Who is let through: a setting that is better over seeds, beyond doubt."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.results.promotion import gate, in_words, is_same, seeds_of
from experiments.tracking.reading import RecordedRun


def run(number: int, score: float | None = None, **about: Any) -> RecordedRun:
    given: dict[str, Any] = {
        "name": f"run {number}",
        "status": "FINISHED",
        "experiment": "cifar10",
        "began": number,
        "ended": None,
        "params": {"model.name": "model1", "seed": str(number)},
        "tags": {},
        "metrics": {} if score is None else {"test_accuracy": score},
        "artifact_uri": "",
    }
    return RecordedRun(**{"run_id": str(number), **given, **about})


def test_without_a_champion_the_gate_is_open() -> None:
    found = gate([0.6], [])
    assert (found.opens, found.champion, found.difference) == (True, None, None)


def test_it_opens_for_what_is_better_beyond_doubt_only() -> None:
    champion = [0.60, 0.61, 0.62]
    better = gate([0.70, 0.71, 0.72], champion)
    assert better.opens
    assert better.difference is not None
    assert better.difference.mean == pytest.approx(0.1)
    assert not gate([0.61, 0.62, 0.63], champion).opens, "one point, with a deviation of one"
    assert not gate([0.50, 0.51, 0.52], champion).opens, "clearly worse"
    assert not gate([0.9], champion).opens, "a single seed has no interval"
    assert not gate([0.9, 0.9], [0.6, 0.6]).opens, "seeds that do not differ say nothing of chance"


def test_seeds_of_a_setting_differ_in_nothing_that_decides() -> None:
    params = {"model.name": "model1", "seed": "2", "compute.threads": "1", "tracking.uri": "x", "data.cache": "y"}
    first = run(1, 0.6)
    runs = [
        run(2, 0.7, params=params),
        run(3, 0.9, params={"model.name": "model2", "seed": "3"}),
        run(4),
        run(5, float("nan")),
        run(6, 0.5, status="FAILED"),
        first,
    ]
    assert {seed: item.run_id for seed, item in seeds_of(first, runs).items()} == {"2": "2", "1": "1"}


def test_a_seed_that_was_trained_twice_counts_once_the_newest() -> None:
    runs = [run(3, 0.8, params={"model.name": "model1", "seed": "1"}), run(1, 0.6)]
    assert [item.run_id for item in seeds_of(run(1), runs).values()] == ["3"]


def test_a_later_run_of_the_same_seed_is_of_the_same_setting() -> None:
    again = run(9, 0.7, params={"model.name": "model1", "seed": "1", "compute.threads": "1"})
    assert is_same(run(1, 0.6), again)
    assert not is_same(run(1, 0.6), run(2, params={"model.name": "model2", "seed": "1"}))


def test_the_words_put_the_candidate_beside_the_champion() -> None:
    assert in_words(gate([0.6], [])) == "candidate: test accuracy 60.00 % (n = 1); there is no champion yet"
    assert in_words(gate([0.70, 0.71, 0.72], [0.60, 0.61, 0.62])).splitlines() == [
        "candidate: test accuracy 71.00 \N{PLUS-MINUS SIGN} 1.00 % (n = 3)",
        "champion: test accuracy 61.00 \N{PLUS-MINUS SIGN} 1.00 % (n = 3)",
        "difference +10.00 points, 95 % interval +7.73 to +12.27",
    ]
    assert in_words(gate([0.7], [0.6])).splitlines()[2] == (
        "difference +10.00 points, no interval, since one of them has a single seed"
    )
    assert in_words(gate([0.7, 0.7], [0.6, 0.6])).splitlines()[2] == (
        "difference +10.00 points, no interval, since their seeds do not differ"
    )
