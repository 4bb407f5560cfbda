"""Mean, deviation and interval against values worked out elsewhere."""

from __future__ import annotations

import subprocess
import sys

import pytest
from scipy import stats

from experiments.results.statistics import Difference, Summary, difference, paired, summarize, t_interval


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


def test_a_difference_is_that_of_the_means_with_welchs_interval() -> None:
    """Means 4 and 2.5, variances 1 and 1/3 of the means of 3 and 4 values: Welch's degrees of freedom by hand."""
    one, other = [3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0]
    variances = 1 / 3, (5 / 3) / 4
    degrees = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 3)
    assert degrees == pytest.approx(4.9592, abs=1e-4)
    half = stats.t.ppf(0.975, degrees) * sum(variances) ** 0.5
    found = difference(one, other)
    assert found.mean == 1.5
    assert (found.low, found.high) == (pytest.approx(1.5 - half), pytest.approx(1.5 + half))
    assert not found.is_clear


def test_it_is_what_scipys_own_test_gives() -> None:
    one, other = [0.71, 0.74, 0.72, 0.69], [0.70, 0.69, 0.65]
    theirs = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = difference(one, other)
    assert (found.low, found.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))


def test_the_other_way_round_it_is_the_same_with_the_other_sign() -> None:
    one, other = difference([0.7, 0.71, 0.72], [0.6, 0.62, 0.61]), difference([0.6, 0.62, 0.61], [0.7, 0.71, 0.72])
    assert one.low is not None
    assert one.high is not None
    assert other == Difference(pytest.approx(-one.mean), pytest.approx(-one.high), pytest.approx(-one.low))
    assert one.low == pytest.approx(0.0773304, abs=1e-7)  # 0.1 less t of 0.975 at 4 degrees, 2.776445, times 0.00816497
    assert one.is_clear
    assert other.is_clear


def test_more_confidence_needs_a_wider_interval() -> None:
    values = [0.7, 0.71, 0.72], [0.6, 0.62, 0.61]
    low = difference(*values, confidence=0.99).low
    assert low == pytest.approx(0.1 - 4.604095 * 0.00816497, abs=1e-6)  # t of 0.995 at 4 degrees


@pytest.mark.parametrize(("one", "other"), [([0.7], [0.6]), ([0.7], [0.5, 0.7]), ([0.6, 0.8], [0.6])])
def test_a_single_value_on_either_side_gives_no_interval(one: list[float], other: list[float]) -> None:
    found = difference(one, other)
    assert found == Difference(pytest.approx(0.1), None, None)
    assert not found.is_clear


def test_where_nothing_deviates_there_is_no_interval() -> None:
    found = difference([0.5, 0.5], [0.25, 0.25, 0.25])
    assert (found, found.is_clear) == (Difference(0.25, None, None), False)
    assert difference([0.5, 0.5], [0.5, 0.5]) == Difference(0.0, None, None)


def test_where_one_side_does_not_deviate_the_interval_is_that_of_the_other() -> None:
    found = difference([0.75, 0.75, 0.75], [0.5, 0.25, 0.75])
    half = 4.302653 * 0.25 / 3**0.5  # t of 0.975 at 2 degrees
    assert found == Difference(0.25, pytest.approx(0.25 - half, abs=1e-6), pytest.approx(0.25 + half, abs=1e-6))


def test_no_values_have_no_difference() -> None:
    with pytest.raises(ValueError, match="at least one"):
        difference([0.5], [])


def test_scipy_waits_until_an_interval_is_asked_for() -> None:
    check = "import sys, experiments.results.leaderboard; sys.exit(any(m in sys.modules for m in ('scipy', 'mlflow')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def answers(both: int, only_one: int, only_other: int, neither: int) -> tuple[list[bool], list[bool]]:
    one = [True] * (both + only_one) + [False] * (only_other + neither)
    other = [True] * both + [False] * only_one + [True] * only_other + [False] * neither
    return one, other


def test_two_classifiers_are_compared_on_the_images_that_one_of_them_had_right() -> None:
    found = paired(*answers(both=50, only_one=15, only_other=5, neither=30))
    assert (found.n, found.only_one, found.only_other) == (100, 15, 5)
    assert found.difference == pytest.approx(0.10)
    # twice the chance of at most 5 heads in 20 throws: 2 x 21,700 / 2**20
    assert found.p == pytest.approx(2 * 21_700 / 2**20)
    assert found.is_clear
    # (15.5 - 5.5) / 102 and 1.959964 sqrt(21 - 100 / 102) / 102
    assert (found.low, found.high) == (pytest.approx(0.0120635, abs=1e-6), pytest.approx(0.1840149, abs=1e-6))


def test_equal_answers_are_no_difference() -> None:
    found = paired([True, False], [True, False])
    assert (found.difference, found.p, found.is_clear) == (0, 1, False)
    assert found.low == -found.high


def test_who_comes_first_only_turns_the_sign() -> None:
    one, other = answers(both=3, only_one=4, only_other=1, neither=2)
    there, back = paired(one, other), paired(other, one)
    assert (there.difference, there.low, there.p) == (-back.difference, pytest.approx(-back.high), back.p)


def test_other_images_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="2 and 1 images: expected the same ones"):
        paired([True, False], [True])
    with pytest.raises(ValueError, match="at least one"):
        paired([], [])
