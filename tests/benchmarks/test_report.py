"""What the tables of all benchmarks share."""

import pytest

from benchmarks.report import Report, circumstances, ratios, shown, spread

RESULTS = {
    "date": "2026-01-01T00:00:00+00:00",
    "commit": "abc",
    "command": "python -m benchmarks.train",
    "machine": {"cpu": "a processor", "cores": 2, "memory_gb": 8.0},
    "versions": {"python": "3.11"},
    "busy_ok": False,
    "before": {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.01},
}


def test_a_spread_is_median_least_and_most() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}
    assert shown(spread([3.0, 1.0, 2.0]), "{:.1f}") == "2.0 (1.0 - 3.0)"


def test_a_ratio_is_taken_within_its_round() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="shorter"):
        ratios([2.0, 9.0], [1.0])


def test_a_report_is_a_markdown_table_with_its_remarks_below() -> None:
    report = Report(("who", "`s`"), [("we", "1"), ("they", "2")], ["in a remark"])
    assert report.markdown() == "| who | `s` |\n| --- | --- |\n| we | 1 |\n| they | 2 |\n\n- in a remark\n"
    assert report.terminal_table().columns[1].header == "s"


def test_others_at_work_during_a_round_are_told_of() -> None:
    assert not any(line.startswith("BUSY") for line in circumstances(RESULTS, [0.01, 0.02]))
    assert any(line.startswith("BUSY") for line in circumstances(RESULTS, [0.01, 0.2]))


def test_a_commit_that_was_changed_is_told_of() -> None:
    assert "commit abc: python" in circumstances(RESULTS, [])[1]
    assert (
        "commit abc with uncommitted changes: python" in circumstances({**RESULTS, "uncommitted_changes": True}, [])[1]
    )
