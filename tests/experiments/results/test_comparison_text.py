"""A comparison in words: who is better comes first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from rich.console import Console

from experiments.results.comparison import Comparison, Side, compare
from experiments.results.comparison_text import in_words, tables
from tests.experiments.results.test_comparison import answers, side


def compared(right_a: int, right_b: int, **about: Any) -> tuple[Side, Side, Comparison]:
    """A and B, of whose 100 answers so many are right, those of the first images."""
    labels = list(np.arange(100) % 10)
    wrong = [(label + 1) % 10 for label in labels]
    a, b = (
        side(name, answers=answers(labels[:right] + wrong[right:], labels), **about)
        for name, right in (("first", right_a), ("second", right_b))
    )
    return a, b, compare(a, b)


def test_the_better_one_is_named_with_points_and_interval() -> None:
    lines = in_words(*compared(60, 80)).splitlines()
    assert lines[:2] == ["A: first", "B: second"]
    assert lines[2] == (
        "B is better by 20.0 points, 95 % interval +11.7 to +27.5 for B less A; of 100 test images only B has "
        "20 right, only A 0 (McNemar's exact test, p = 1.9e-06)."
    )
    assert in_words(*compared(80, 60)).splitlines()[2].startswith("A is better by 20.0 points, 95 % interval -27.5 to")


def test_a_difference_that_chance_would_make_is_none() -> None:
    assert (
        in_words(*compared(60, 62)).splitlines()[2].startswith("A and B cannot be told apart: B is 2.0 points better")
    )
    same = in_words(*compared(60, 60)).splitlines()
    assert same[2].startswith("A and B cannot be told apart: they score the same, 95 % interval")
    assert same[3:] == [
        "No class moved more than chance would have it.",
        "Nothing differs in settings, code, packages or data.",
        "Packages and changes beyond the commit are not known of first and second.",
        "Curves: 0 epochs each.",
    ]


def test_at_the_border_the_exact_test_decides_and_the_interval_does_not_contradict_it() -> None:
    assert in_words(*compared(60, 65)).splitlines()[2] == (
        "A and B cannot be told apart: B is 5.0 points better, 95 % interval +0.3 to +9.5 (an approximation, which "
        "just misses 0); of 100 test images only B has 5 right, only A 0 (McNemar's exact test, p = 0.062)."
    )
    a, b, found = compared(60, 66)
    assert "95 % interval +0.9 to +10.8 for B less A" in in_words(a, b, found)
    assert found.test is not None
    touching = replace(found, test=replace(found.test, low=-0.001))
    assert "95 % interval -0.1 to +10.8 (an approximation, which touches 0) for B" in in_words(a, b, touching)


def test_what_differs_is_counted_and_shown() -> None:
    a = side(
        "a",
        params={"seed": "0"},
        tags={"data.digest": "x"},
        changes="# not in git: new.py\n",
        metrics={"test_loss": float("nan")},
        packages={"k": "1"},
    )
    b = side(
        "b",
        params={"seed": "1", "model.depth": "2"},
        tags={"data.digest": "y"},
        metrics={"test_accuracy": 0.5},
        packages={"k": "1"},
    )
    found = compare(a, b)
    words = in_words(a, b, found)
    assert "Which is better on the test images cannot be said: a and b did not record" in words
    assert "Different: 2 settings, the code, the data." in words
    assert "Changed beyond the commit, not the same in both: new.py." in words
    console = Console(width=100)
    with console.capture() as shown:
        for table in tables(found):
            console.print(table)
    lines = [line.split() for line in shown.get().splitlines()]
    assert ["model.depth", "-", "2"] in lines
    assert ["test_accuracy", "-", "50.00%"] in lines
    assert ["data.digest", "x", "y"] in lines
    assert ["test_loss", "nan", "-"] in lines


def test_classes_that_moved_are_named() -> None:
    labels = [0] * 20 + [1] * 20
    a = side("a", answers=answers([0] * 20 + [1] * 20, labels))
    b = side("b", answers=answers([5] * 10 + [0] * 10 + [1] * 20, labels))
    assert "Classes that moved" in in_words(a, b, compare(a, b))
    assert "airplane -50.0." in in_words(a, b, compare(a, b))


def test_curves_are_told_of() -> None:
    a = side("a", curves={"loss": [(1, 0.5), (2, 0.4)]})
    assert in_words(a, a, compare(a, a)).endswith("Curves: 2 epochs each; equal to the bit as far as both go.")
    b = side("b", curves={"loss": [(1, 0.5), (2, 0.3), (3, 0.2)]})
    assert in_words(a, b, compare(a, b)).endswith("Curves: 2 epochs in A, 3 in B; they part after epoch 2.")
