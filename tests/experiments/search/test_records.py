from __future__ import annotations

from dataclasses import replace

from experiments.search.records import Rung, Trial, differences
from tests.experiments.search.sweeps import SPACE, sweep_of


def test_a_trial_has_ended_when_it_will_not_run_any_more() -> None:
    states = ("proposed", "running", "finished", "pruned", "failed")
    ended = [state for state in states if Trial(1, {}, {}, Rung(0, 0, None, 0, 1), state).has_ended]
    assert ended == ["finished", "pruned", "failed"]


def test_equal_sweeps_differ_in_nothing_whatever_their_name_and_code() -> None:
    assert differences(sweep_of(), replace(sweep_of(), name="another", code={"commit": "abc"})) == []


def test_what_two_sweeps_differ_in_is_named_key_by_key() -> None:
    search = {**SPACE["search"], "seed": [1, 2], "model.dropout_rate": {"low": 0.1, "high": 0.5}}
    before, now = sweep_of(), sweep_of("grid", {**SPACE, "search": search}, seed=1, objective="val_loss")
    assert differences(before, now) == [
        "space.search.model.dropout_rate.low=0.0, now 0.1",
        'tuner.name="random", now "grid"',
        'objective="val_accuracy", now "val_loss"',
        "seed=0, now 1",
        "space.search.seed=nothing, now [1, 2]",
        "tuner.points_per_range=nothing, now 2",
    ]


def test_ranges_and_configurations_are_compared_value_by_value() -> None:
    bases = [{**base, "config": {**base["config"], "seed": 5}} for base in sweep_of().bases]
    assert differences(sweep_of(), replace(sweep_of(), bases=tuple(bases))) == [
        f"bases[{number}].config.seed=0, now 5" for number in range(3)
    ]
