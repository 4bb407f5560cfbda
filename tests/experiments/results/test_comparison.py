"""What two runs differ in, from plain values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cifar.evaluation import Evaluation, evaluate
from experiments.results.comparison import ClassChange, Side, compare, differing, first_difference


def answers(predictions: list[int], labels: list[int]) -> Evaluation:
    return evaluate(np.eye(10)[predictions], np.array(labels))


def side(name: str = "a", **about: Any) -> Side:
    return Side(**{"name": name, "params": {}, "tags": {}, "metrics": {}, **about})


def test_the_test_is_of_b_less_a_on_the_same_images() -> None:
    labels = [0] * 10 + [1] * 10
    a = side("a", answers=answers([0] * 10 + [2] * 10, labels))
    b = side("b", answers=answers([0] * 9 + [3] + [1] * 8 + [2] * 2, labels))
    found = compare(a, b)
    assert found.test is not None
    assert (found.test.n, found.test.only_one, found.test.only_other) == (20, 8, 1)
    assert found.test.difference == 7 / 20
    assert found.classes == (
        ClassChange("airplane", 10, 10, 9, 1.0),
        ClassChange("automobile", 10, 0, 8, 2 / 2**8),
    )


def test_without_answers_or_with_other_images_nothing_is_said_of_the_test() -> None:
    with_answers = side("b", answers=answers([0], [0]))
    found = compare(side("a"), with_answers)
    assert (found.test, found.classes) == (None, ())
    assert found.why_not == "a did not record what the network answered to the test images"
    assert compare(side("a"), side("b")).why_not.startswith("a and b did not record")
    other = compare(side(answers=answers([0, 0], [0, 1])), with_answers)
    assert other.why_not == "they were tested on other images (2 and 1)"


def test_settings_differ_but_not_where_a_run_was_recorded() -> None:
    a = side(params={"seed": "0", "model.name": "model1", "tracking.uri": "null", "optimizer.rho": "0.9"})
    b = side(params={"seed": "0", "model.name": "model2", "tracking.uri": "http://x"})
    assert compare(a, b).settings == {"model.name": ("model1", "model2"), "optimizer.rho": ("0.9", None)}


def test_code_data_and_packages_differ() -> None:
    commit = "mlflow.source.git.commit"
    a = side(tags={commit: "1", "git.dirty": "false", "data.digest": "x", "host": "one"}, packages={"keras": "3.15"})
    b = side(tags={commit: "2", "git.dirty": "false", "data.digest": "y", "host": "two"}, packages={"keras": "3.16"})
    found = compare(a, b)
    assert found.code == {commit: ("1", "2")}
    assert found.data == {"data.digest": ("x", "y")}
    assert found.packages == {"keras": ("3.15", "3.16")}
    assert compare(a, side()).packages == {}, "nothing is known of the other's"


def test_files_that_were_changed_are_named_where_the_changes_are_not_the_same() -> None:
    one = "# not in git: new.py\ndiff --git a/cifar/data.py b/cifar/data.py\n+x\n"
    other = "diff --git a/cifar/data.py b/cifar/data.py\n+y\ndiff --git a/b.py b/b.py\n"
    known = {"packages": {"keras": "3.15"}}
    found = compare(side(changes=one, **known), side(changes=other, **known))
    assert (found.changed_files, found.unknown) == (("cifar/data.py", "b.py", "new.py"), ())
    assert compare(side(changes=one, **known), side(changes=one, **known)).changed_files == ()


def test_what_was_not_recorded_is_not_taken_for_a_difference() -> None:
    found = compare(side("a", changes="# not in git: new.py\n", packages={"keras": "3.15"}), side("a trial"))
    assert (found.changed_files, found.packages, found.unknown) == ((), {}, ("a trial",))


def test_curves_part_at_the_first_epoch_that_is_not_equal_to_the_bit() -> None:
    a = {"loss": [(1, 0.5), (2, 0.25), (3, math.nan)], "accuracy": [(1, 0.1), (2, 0.2)]}
    assert first_difference(a, a) is None
    assert first_difference(a, {**a, "loss": [(1, 0.5), (2, math.nextafter(0.25, 1)), (3, math.nan)]}) == 2
    assert first_difference(a, {"accuracy": [(1, 0.1), (2, 0.2), (3, 0.3)]}) is None
    found = compare(side(curves=a), side(curves={"loss": [(1, 0.4)]}))
    assert (found.first_difference, found.epochs) == (1, (3, 1))


def test_results_that_differ_stand_side_by_side() -> None:
    a = side(metrics={"test_accuracy": 0.5, "parameters": 9.0, "system/cpu": 1.0})
    b = side(metrics={"test_accuracy": 0.6, "parameters": 9.0, "test_loss": 1.5})
    assert compare(a, b).results == {"test_accuracy": (0.5, 0.6), "test_loss": (None, 1.5)}


def test_differing_keeps_the_order_of_the_first() -> None:
    assert list(differing({"b": "1", "a": "1", "c": "1"}, {"d": "1", "a": "2", "c": "1"})) == ["b", "a", "d"]
