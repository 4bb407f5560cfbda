"""The table of benchmarks.sweep, and what was to be reached."""

from typing import Any

from benchmarks.sweep_report import goals, remarks, rows, sum_up

SECONDS = {"workers": [10.0, 20.0, 30.0], "one_process": [20.0, 18.0, 36.0], "keras_tuner": [25.0, 44.0, 90.0]}


def results(seconds: dict[str, list[float]] = SECONDS, **changed: Any) -> dict[str, Any]:
    rounds = len(seconds["keras_tuner"])
    made = {"finished": [16] * rounds, "best_val_accuracy": [0.45] * rounds}
    told = {
        "date": "2026-01-01T00:00:00+00:00",
        "commit": "abc",
        "command": "python -m benchmarks.sweep",
        "machine": {"cpu": "a processor", "cores": 2, "memory_gb": 8.0},
        "versions": {"python": "3.11"},
        "busy_ok": False,
        "before": {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.01},
        "repeats": rounds,
        "left_out": {},
        "task": {"trials": 16, "images": 8000, "epochs": 3, "data": "cifar10"},
        "others_cpu": [0.01] * rounds,
        "contenders": {name: {"seconds": passes, **made} for name, passes in seconds.items()},
        **sum_up(seconds),
        **changed,
    }
    return {**told, "goals": goals(told)}


def test_ratios_are_taken_within_a_round_before_their_median() -> None:
    assert sum_up(SECONDS)["over_default"] == {
        "one_process": {"median": 1.2, "min": 0.9, "max": 2.0},
        "keras_tuner": {"median": 2.5, "min": 2.2, "max": 3.0},
    }


def test_the_faster_of_ours_by_the_median_is_compared_with_keras_tuner() -> None:
    assert sum_up(SECONDS)["our_faster"] == "workers"
    found = sum_up({**SECONDS, "one_process": [10.0, 11.0, 12.0]})
    assert found["our_faster"] == "one_process"
    assert found["over_our_faster"]["keras_tuner"] == {"median": 4.0, "min": 2.5, "max": 7.5}


def test_without_this_project_there_are_seconds_and_no_ratios() -> None:
    assert sum_up({"keras_tuner": [1.0]}) == {"seconds": {"keras_tuner": {"median": 1.0, "min": 1.0, "max": 1.0}}}


def test_goals_are_judged_by_the_median_and_stand_beside_what_came_out() -> None:
    driver = {"random": {"median": 50.0, "min": 9.0, "max": 60.0}, "grid": {"median": 50.1, "min": 9.0, "max": 60.0}}
    driver["hyperband"] = {"median": 900.0, "min": 1.0, "max": 900.0}
    found = results(driver={"trials_before": 1000, "trials_measured": 50, "milliseconds": driver})
    assert [goal["reached"] for goal in found["goals"]] == [True, True, False, True, False]
    lines = remarks(found)
    assert "Reached: a worker for each core is faster than one process on all cores: 1.20 (0.90 - 2.00)" in lines
    assert any(line.startswith("MISSED") and "3 times" in line and "2.50 (2.20 - 3.00)" in line for line in lines)
    assert any("after 1,000" in line and "hyperband 900.0 (1.0 - 900.0) ms" in line for line in lines)


def test_what_was_not_measured_is_no_goal_missed() -> None:
    assert goals(sum_up({"workers": [1.0], "keras_tuner_50": [2.0]})) == []


def test_the_table_has_a_line_for_each_contender_with_what_shows_equal_work() -> None:
    lines = rows(results())
    assert lines[0][1:] == ("20.0 (10.0 - 30.0)", "", "16 of 16", "45.0% (45.0% - 45.0%)")
    assert lines[2][0] == "keras-tuner `RandomSearch` and `fit`"
    assert lines[2][2] == "2.50 (2.20 - 3.00)"


def test_a_contender_that_did_not_finish_its_trials_is_not_compared_in_silence() -> None:
    found = results()
    assert not any("NOT COMPARABLE" in line for line in remarks(found))
    found["contenders"]["keras_tuner"] |= {"finished": [16, 0, 16], "best_val_accuracy": [None, None, None]}
    assert any("NOT COMPARABLE" in line and "keras-tuner" in line for line in remarks(found))
    assert rows(found)[2][3:] == ("0 of 16", "none")
