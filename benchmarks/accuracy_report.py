"""The figures of benchmarks.accuracy as a table, and beside them what was to be reached."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import Goal, Report, circumstances, goal, shown, spread, verdicts
from cifar import document

NAMES = {"ours": "`experiment=fast_{model}`", "document": "the document's recipe, plain Keras `fit`"}
HEADER = ("network", "recipe", "seconds of training", "whole command", "seeds", "test accuracy", "least", "document's")
LEAST_TIMES = 3.0

Trainings = Sequence[Mapping[str, float]]


def sum_up(models: Mapping[str, Any]) -> dict[str, Any]:
    """How many times as fast each recipe is, and whether that and its accuracies are what was to be reached.

    A ratio is taken within a seed; a seed on which the document's recipe did not go along is compared with its median.
    """
    goals: list[Goal] = []
    faster = {}
    for model, found in models.items():
        ours, theirs = found["trainings"]["ours"], found["trainings"]["document"]
        usual = statistics.median(_column(theirs, "training_seconds"))
        beside = [*_column(theirs, "training_seconds"), *[usual] * (len(ours) - len(theirs))]
        quotients = zip(beside, _column(ours, "training_seconds"), strict=True)
        faster[model] = spread([other / own for other, own in quotients], 2)
        goals += _goals(model, faster[model], _column(ours, "test_accuracy"))
    return {"faster_than": faster, "goals": goals}


def _goals(model: str, faster: Mapping[str, float], accuracies: Sequence[float]) -> list[Goal]:
    least = document.TEST_ACCURACY[model]
    enough = min(accuracies) >= least
    accuracy = f"{model} reaches the document's {least:.2%} on each of {len(accuracies)} seeds"
    speed = f"{model} gets there at least {LEAST_TIMES:g} times as fast as the document's recipe under plain Keras"
    return [
        goal(accuracy, spread(accuracies, 4), "{:.2%}", enough),
        goal(speed, dict(faster), "{:.2f}", enough and faster["median"] >= LEAST_TIMES),
    ]


def report_of(results: Mapping[str, Any]) -> Report:
    """The table, two lines for each network, and what belongs under it."""
    rows = [
        _row(model, who, trainings)
        for model, found in results["models"].items()
        for who, trainings in found["trainings"].items()
    ]
    others = [share for found in results["models"].values() for share in found["others_cpu"]]
    remarks = [_how(results), *_faster(results), *verdicts(results["goals"]), *circumstances(results, others)]
    return Report(HEADER, rows, remarks, sections=True)


def _row(model: str, who: str, trainings: Trainings) -> tuple[str, ...]:
    accuracies = _column(trainings, "test_accuracy")
    return (
        model,
        NAMES[who].format(model=model),
        shown(spread(_column(trainings, "training_seconds"), 1), "{:.1f}"),
        shown(spread(_column(trainings, "command_seconds"), 1), "{:.1f}"),
        str(len(trainings)),
        f"{statistics.mean(accuracies):.2%}",
        f"{min(accuracies):.2%}",
        f"{document.TEST_ACCURACY[model]:.2%}",
    )


def _faster(results: Mapping[str, Any]) -> list[str]:
    return [f"Times as fast, {model}: {shown(ratio, '{:.2f}')}" for model, ratio in results["faster_than"].items()]


def _how(results: Mapping[str, Any]) -> str:
    images = f"{results['images']:,}" if results["images"] else "all"
    return (
        f"Median (least - most) over seeds from 0, both recipes in turn (of accuracies the mean, and the least); "
        f"{images} training images; data: {results['data']}. Seconds of training: from building the network to the "
        "end of the last epoch. Whole command: with imports, images and test, and ours with its record in MLflow"
    )


def _column(trainings: Trainings, name: str) -> list[float]:
    return [one[name] for one in trainings]
