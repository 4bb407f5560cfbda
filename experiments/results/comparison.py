"""What differs between two runs, and whether one is really better: plain values in, a `Comparison` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cifar.config import CLASS_NAMES
from experiments.results.statistics import Paired, paired

if TYPE_CHECKING:
    from cifar.evaluation import Evaluation

SETTINGS = ("model", "optimizer", "schedule", "training", "data", "compute", "seed")
"""Nodes of the configuration that make a run what it is; `tracking` only says where it is recorded."""

EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")

Curve = Sequence[tuple[int, float]]
Pair = tuple[str | None, str | None]


@dataclass(frozen=True)
class Side:
    """One of the two runs.

    Attributes:
        packages: name to version; empty if neither they nor the changes are known, as of a sweep's trials.
        changes: what its code had beyond its commit, as `git diff` prints it.
        curves: the metrics of its epochs.
        answers: what it answered to the test images; None if that was not recorded.
        missing: why what it recorded as files cannot be had; empty if it can.
    """

    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    packages: Mapping[str, str] = field(default_factory=dict)
    changes: str = ""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    answers: Evaluation | None = None
    run_id: str = ""
    missing: str = ""


@dataclass(frozen=True)
class ClassChange:
    """How many of the images of one class each of the two had right, and McNemar's p of that."""

    name: str
    n: int
    a: int
    b: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """Run B beside run A; of pairs the first is A's, None where one of them has none.

    Attributes:
        test: B less A on the same test images; None where that cannot be said, and then `why_not` tells why.
        classes: the ten, on the test images.
        unknown: whose packages, and changes beyond the commit, are not known.
        settings, packages: those that differ, by name.
        code: commit, and whether there were changes beyond it, where they differ.
        changed_files: files that one of the two had changed beyond its commit, where these changes differ.
        data: digest and source of the images, where they differ.
        first_difference: the first epoch whose metrics differ in any bit; None where none does, or none is known.
        epochs: how many each has.
        results: final metrics that differ.
    """

    test: Paired | None
    why_not: str
    classes: tuple[ClassChange, ...]
    unknown: tuple[str, ...]
    settings: Mapping[str, Pair]
    code: Mapping[str, Pair]
    changed_files: tuple[str, ...]
    packages: Mapping[str, Pair]
    data: Mapping[str, Pair]
    first_difference: int | None
    epochs: tuple[int, int]
    results: Mapping[str, tuple[float | None, float | None]]


def compare(a: Side, b: Side) -> Comparison:
    """Put run B beside run A."""
    why_not = _why_not(a, b)
    return Comparison(
        test=None if why_not else _test(a, b),
        why_not=why_not,
        classes=() if why_not else _classes(a, b),
        unknown=tuple(side.name for side in (a, b) if not side.packages),
        settings=differing(_settings(a), _settings(b)),
        code=differing(*({key: side.tags[key] for key in CODE if key in side.tags} for side in (a, b))),
        changed_files=_changed_files(a, b),
        packages=differing(a.packages, b.packages) if a.packages and b.packages else {},
        data=differing(*({key: side.tags[key] for key in DATA if key in side.tags} for side in (a, b))),
        first_difference=first_difference(a.curves, b.curves),
        epochs=(_epochs(a), _epochs(b)),
        results=_results(a, b),
    )


CODE = ("mlflow.source.git.commit", "git.dirty")
DATA = ("data.digest", "data.source")


def differing(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, Pair]:
    """The keys whose values differ, with both."""
    keys = [*a, *(key for key in b if key not in a)]
    return {key: (a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)}


def first_difference(a: Mapping[str, Curve], b: Mapping[str, Curve]) -> int | None:
    """The first epoch, of those that both have, after which a metric is not the same to the bit."""
    found = []
    for name in EPOCH_METRICS:
        one, other = dict(a.get(name, ())), dict(b.get(name, ()))
        found += [step for step in one.keys() & other.keys() if _bits(one[step]) != _bits(other[step])]
    return min(found, default=None)


def _bits(value: float) -> str:
    return value.hex()  # NaN is equal to itself


def _why_not(a: Side, b: Side) -> str:
    import numpy as np

    if elsewhere := [side.missing for side in (a, b) if side.missing]:
        return "; ".join(dict.fromkeys(elsewhere))
    missing = [side.name for side in (a, b) if side.answers is None]
    if missing:
        return f"{' and '.join(missing)} did not record what the network answered to the test images"
    assert a.answers is not None
    assert b.answers is not None
    if not np.array_equal(a.answers.labels, b.answers.labels):
        return f"they were tested on other images ({len(a.answers):,} and {len(b.answers):,})"
    return ""


def _test(a: Side, b: Side) -> Paired:
    right = [side.answers.predictions == side.answers.labels for side in (b, a) if side.answers is not None]
    return paired(*(answers.tolist() for answers in right))


def _classes(a: Side, b: Side) -> tuple[ClassChange, ...]:
    assert a.answers is not None
    assert b.answers is not None
    found = []
    for number, name in enumerate(CLASS_NAMES):
        mine = a.answers.labels == number
        if mine.any():
            one, other = ((side.predictions == number)[mine] for side in (a.answers, b.answers))
            p = paired(other.tolist(), one.tolist()).p
            found.append(ClassChange(name, int(mine.sum()), int(one.sum()), int(other.sum()), p))
    return tuple(found)


def _settings(side: Side) -> dict[str, str]:
    return {key: value for key, value in side.params.items() if key.partition(".")[0] in SETTINGS}


def _changed_files(a: Side, b: Side) -> tuple[str, ...]:
    if a.changes == b.changes or not (a.packages and b.packages):
        return ()
    lines = [line for side in (a, b) for line in side.changes.splitlines()]
    named = [line.partition(" b/")[2] for line in lines if line.startswith("diff --git ")]
    new = [line.removeprefix("# not in git: ") for line in lines if line.startswith("# not in git: ")]
    return tuple(dict.fromkeys([*named, *new]))


def _epochs(side: Side) -> int:
    return max((len(side.curves.get(name, ())) for name in EPOCH_METRICS), default=0)


def _results(a: Side, b: Side) -> dict[str, tuple[float | None, float | None]]:
    names = [name for name in RESULTS if name in {*a.metrics, *b.metrics}]
    pairs = {name: (a.metrics.get(name), b.metrics.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


RESULTS = (
    "test_accuracy",
    "test_loss",
    "best_val_accuracy",
    "best_epoch",
    "val_accuracy",
    "val_loss",
    "epochs_run",
    "training_seconds",
    "parameters",
)
