"""Mean, deviation and interval against values worked out elsewhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

from experiments.results.statistics import Summary, summarize, t_interval


def test_the_deviation_is_that_of_a_sample() -> None:
    summary = summarize([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    assert (summary.n, summary.mean) == (8, 5.0)
    assert summary.deviation == pytest.approx((32 / 7) ** 0.5)


def test_a_single_value_has_neither_deviation_nor_interval() -> None:
    assert summarize([0.63]) == Summary(1, 0.63, None)
    assert t_interval(summarize([0.63])) is None


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        summarize([])


def test_the_interval_is_students() -> None:
    low, high = t_interval(Summary(3, 10.0, 1.0)) or (0, 0)
    assert high - 10 == pytest.approx(4.302653 / 3**0.5, abs=1e-6)  # t of 0.975 at 2 degrees, as in the tables
    assert 10 - low == pytest.approx(high - 10)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert t_interval(summarize([0.5, 0.5])) == (0.5, 0.5)


def test_scipy_waits_until_an_interval_is_asked_for() -> None:
    check = "import sys, experiments.results.leaderboard; sys.exit(any(m in sys.modules for m in ('scipy', 'mlflow')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
