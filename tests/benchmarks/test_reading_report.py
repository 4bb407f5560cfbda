"""The table of benchmarks.reading."""

from typing import Any

from benchmarks.reading_report import report, sum_up

SECONDS = {"command": [1.0, 2.0, 4.0], "page": [2.0, 3.0, 4.0], "reading": [0.1, 0.2, 0.3], "mlflow": [5.0, 6.0, 7.0]}


def results(seconds: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "date": "2026-01-01T00:00:00+00:00",
        "commit": "abc",
        "command": "python -m benchmarks.reading",
        "machine": {"cpu": "a processor", "cores": 2, "memory_gb": 8.0},
        "versions": {"python": "3.11"},
        "busy_ok": False,
        "before": {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.01},
        "repeats": 3,
        "runs": 1000,
        "epochs": 50,
        "store_mb": 110.3,
        "others_cpu": [0.01],
        "seconds": seconds,
        **sum_up(seconds),
    }


def test_the_median_of_the_whole_command_decides_about_the_goal() -> None:
    assert sum_up(SECONDS)["figures"]["command"] == {"median": 2.0, "min": 1.0, "max": 4.0}
    assert sum_up(SECONDS)["goal"] == {"seconds": 3.0, "reached": True}
    assert sum_up(SECONDS | {"command": [3.0, 3.0, 3.0]})["goal"]["reached"] is False


def test_the_table_says_what_was_read_and_whether_that_is_fast_enough() -> None:
    found = report(results(SECONDS))
    assert found.rows[0] == ("`python -m experiments.report --no-html`, the whole command", "2.00 (1.00 - 4.00)")
    assert "1,000 runs of 50 epochs with 7 metrics, a database of 110.3 MB" in found.remarks[0]
    assert found.remarks[1] == "To be reached: the whole command in under 3 s: yes"
    assert report(results(SECONDS | {"command": [9.0]})).remarks[1].endswith("NO")
