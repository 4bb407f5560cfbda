"""When a training that was made again counts as reproduced."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from experiments.results.comparison import Side
from experiments.results.reproduction import DIFFERENT, IDENTICAL, WITHIN_NOISE, judge
from tests.experiments.results.test_comparison import answers, side

CURVES = {"loss": [(1, 0.5), (2, 0.25)], "val_accuracy": [(1, 0.4), (2, 0.5)]}


def run(accuracy: float | None = None, **about: object) -> Side:
    metrics = {} if accuracy is None else {"test_accuracy": accuracy}
    return side(**{"curves": CURVES, "metrics": metrics, **about})


def test_the_same_bits_in_all_epochs_and_answers_are_identical() -> None:
    made = run(0.5, answers=answers([0, 1], [0, 0]))
    found = judge(made, made, [])
    assert (found.word, found.first, found.epochs, found.holds) == (IDENTICAL, None, 2, True)
    assert judge(run(), run(), []).word == IDENTICAL, "a trial has no answers"


def test_a_bit_in_an_epoch_or_an_answer_is_a_difference() -> None:
    made = run(0.5, answers=answers([0, 1], [0, 0]))
    curves = {**CURVES, "loss": [(1, 0.5), (2, math.nextafter(0.25, 1))]}
    assert judge(made, replace(made, curves=curves), []).first == (2, "loss")
    other = judge(made, replace(made, answers=answers([1, 0], [0, 0])), [])
    assert (other.word, other.first) == (WITHIN_NOISE, None)


def test_with_three_seeds_noise_is_their_prediction_interval() -> None:
    others = [{"test_accuracy": 0.62}, {"test_accuracy": 0.64}, {"test_accuracy": math.nan}]
    then = run(0.63)
    now = run(0.66, curves={"loss": [(1, 0.4)]})
    found = judge(then, now, others)
    half = 4.302653 * 0.01 * math.sqrt(1 + 1 / 3)  # t of 0.975 at 2 degrees, and a deviation of 0.01
    assert (found.low, found.high) == (pytest.approx(0.63 - half), pytest.approx(0.63 + half))
    assert (found.word, found.then, found.now, found.first) == (WITHIN_NOISE, 0.63, 0.66, (1, "loss"))
    assert found.basis == "95 % prediction interval for one more seed, from 3 seeds of the same settings"
    outside = judge(then, run(0.69, curves={"loss": [(1, 0.4)]}), others)
    assert (outside.word, outside.holds) == (DIFFERENT, False)


def test_with_fewer_it_is_the_test_images() -> None:
    labels = [0] * 100
    then = run(0.6, answers=answers([0] * 60 + [1] * 40, labels), curves={})
    near = run(0.62, answers=answers([0] * 62 + [1] * 38, labels), curves={})
    far = run(0.9, answers=answers([0] * 90 + [1] * 10, labels), curves={})
    assert judge(then, near, []).word == WITHIN_NOISE
    assert judge(then, near, []).basis == "95 % interval of the difference on the same 100 test images"
    assert judge(then, far, []).word == DIFFERENT


def test_without_either_it_cannot_be_called_noise() -> None:
    found = judge(run(), run(curves={"loss": [(1, 0.4)]}), [])
    assert (found.word, found.metric, found.then, found.low) == (DIFFERENT, "val_accuracy", None, None)
    assert found.basis.startswith("no interval: ")
