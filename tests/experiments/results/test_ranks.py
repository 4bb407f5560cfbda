"""Places with ties: which test is taken, and what it comes to, beside SciPy's."""

from __future__ import annotations

import pytest
from scipy import stats

from experiments.results.ranks import Asked, Scores, judge, places


def scores(*values: float, first: int = 0, images: int | None = 5000) -> Scores:
    return Scores({str(seed): value for seed, value in enumerate(values, start=first)}, images)


def shown(*groups: Scores) -> list[str]:
    return [str(place) for place in places(groups)]


def test_three_common_seeds_are_compared_in_pairs() -> None:
    # Seeds differ by 2 points, the two settings by 0.5 on each seed: only pairs can tell.
    one, other = (0.620, 0.640, 0.660), (0.615, 0.634, 0.656)
    assert stats.ttest_rel(one, other).pvalue < 0.05 < stats.ttest_ind(one, other, equal_var=False).pvalue
    assert judge(scores(*one), scores(*other)).asked is Asked.PAIRED
    assert shown(scores(*one), scores(*other)) == ["1", "2"]


@pytest.mark.parametrize("drop", [0.001, 0.004, 0.006, 0.02])
def test_the_paired_test_agrees_with_scipy(drop: float) -> None:
    one, noise = (0.62, 0.63, 0.61, 0.64), (0.003, -0.002, 0.001, -0.001)
    other = [value - drop + off for value, off in zip(one, noise, strict=True)]
    assert judge(scores(*one), scores(*other)).apart == (stats.ttest_rel(one, other).pvalue < 0.05)


def test_seeds_that_are_not_common_are_compared_by_welch() -> None:
    verdict = judge(scores(0.60, 0.61, 0.62), scores(0.59, 0.58, 0.57, first=7))
    assert (verdict.apart, verdict.asked) == (True, Asked.WELCH)
    assert judge(scores(0.60, 0.61, 0.62), scores(0.59, 0.61, first=7)).apart is False
    assert judge(scores(0.60, 0.61), scores(0.59, 0.60)).asked is Asked.WELCH  # two common seeds are too few


@pytest.mark.parametrize("alone", [0.62, 0.64, 0.66])
def test_one_seed_beside_several_is_judged_by_how_much_those_differ(alone: float) -> None:
    several = (0.600, 0.610, 0.605, 0.615)
    verdict = judge(scores(alone), scores(*several))
    assert verdict.asked is Asked.ONE_SEED
    assert verdict.apart == (stats.ttest_ind([alone], several).pvalue < 0.05)


def test_one_seed_each_is_a_tie_as_far_as_the_number_of_validation_images_cannot_tell() -> None:
    # At 60 % of 5,000 images, 1.96 errors of a difference are 1.92 points.
    assert judge(scores(0.60), scores(0.582)).apart is False
    assert judge(scores(0.60), scores(0.579)).apart is True
    assert judge(scores(0.60, images=500), scores(0.579, images=500)).apart is False
    assert judge(scores(0.60), scores(0.579)).asked is Asked.IMAGES


def test_without_the_number_of_validation_images_one_seed_tells_nothing() -> None:
    verdict = judge(scores(0.9, images=None), scores(0.1))
    assert (verdict.apart, verdict.asked) == (False, Asked.NONE)


def test_equal_scores_are_a_tie_and_an_equal_difference_is_none() -> None:
    same = scores(0.6, 0.61, 0.62)
    assert shown(same, same) == ["=1", "=1"]
    assert shown(scores(0.6, 0.61, 0.62), scores(0.5, 0.51, 0.52)) == ["1", "2"]
    assert shown(scores(0.0), scores(0.0)) == ["=1", "=1"]
    assert shown(scores(0.6, 0.6, 0.6, 0.6), scores(0.6, first=9)) == ["=1", "=1"]


def test_ties_do_not_chain_each_is_compared_with_the_one_that_opened_the_place() -> None:
    # Each is within 1.92 points of the one above, the third not of the first.
    assert shown(scores(0.600), scores(0.589), scores(0.578), scores(0.567)) == ["=1", "=1", "=3", "=3"]


def test_the_place_after_a_tie_counts_all_before_it() -> None:
    found = places([scores(0.60), scores(0.595), scores(0.50)])
    assert [(place.number, place.tied) for place in found] == [(1, True), (1, True), (3, False)]
    assert found[0].verdict is None
    assert found[1].verdict is not None


def test_nobody_has_no_place() -> None:
    assert places([]) == []
