"""A comparison for people: plain words first, then tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from experiments.results.comparison import ClassChange, Comparison, Pair, Side
from experiments.results.statistics import Paired

NONE = "-"
MOVED = 0.05
"""A class whose p is below this has moved."""

PERCENT = ("test_accuracy", "best_val_accuracy", "val_accuracy")


def in_words(a: Side, b: Side, found: Comparison) -> str:
    """Who is better, and what differs, in a few lines."""
    same = ["A and B are one and the same run."] if a.run_id and a.run_id == b.run_id else []
    words = [*_verdict(found), *_classes(found), *_differences(found), _curves(found)]
    return "\n".join([f"A: {a.name}", f"B: {b.name}", *same, *words])


def tables(found: Comparison) -> Iterator[Table]:
    """Results, classes, and what differs, where there is something to show."""
    if found.results:
        rows = [[name, *(_number(name, value) for value in pair)] for name, pair in found.results.items()]
        yield _table("results", rows)
    if found.classes:
        yield _table("test accuracy of a class", [_class_row(item) for item in found.classes], ["B less A", ""])
    for title, pairs in (
        ("setting", found.settings),
        ("code", found.code),
        ("data", found.data),
        ("package", found.packages),
    ):
        if pairs:
            yield _table(title, [[key, *(value or NONE for value in pair)] for key, pair in pairs.items()])


def _verdict(found: Comparison) -> list[str]:
    test = found.test
    if test is None:
        return [f"Which is better on the test images cannot be said: {found.why_not}."]
    points = abs(100 * test.difference)
    interval = f"95 % interval {100 * test.low:+.1f} to {100 * test.high:+.1f}{_remark(test)}"
    told = f"of {test.n:,} test images only B has {test.only_one:,} right, only A {test.only_other:,}"
    chance = f"McNemar's exact test, p = {test.p:.2g}"
    if test.is_clear:
        better = "B" if test.difference > 0 else "A"
        return [f"{better} is better by {points:.1f} points, {interval} for B less A; {told} ({chance})."]
    sides = (
        f"B is {points:.1f} points {'better' if test.difference > 0 else 'worse'}" if points else "they score the same"
    )
    return [f"A and B cannot be told apart: {sides}, {interval}; {told} ({chance})."]


def _remark(test: Paired) -> str:
    """The exact test decides; the interval is an approximation, and at the border of 5 % the two may not agree."""
    if (test.low > 0 or test.high < 0) == test.is_clear:
        return ""
    return " (an approximation, which touches 0)" if test.is_clear else " (an approximation, which just misses 0)"


def _classes(found: Comparison) -> list[str]:
    moved = [item for item in found.classes if item.p < MOVED]
    if not found.classes:
        return []
    if not moved:
        return ["No class moved more than chance would have it."]
    named = [f"{item.name} {100 * (item.b - item.a) / item.n:+.1f}" for item in moved]
    chance = "by chance alone one of ten does in up to four of ten comparisons"
    return [f"Classes that moved (points for B; {chance}): {', '.join(named)}."]


def _differences(found: Comparison) -> list[str]:
    said = [
        _count(found.settings, "setting"),
        "the code" if found.code or found.changed_files else "",
        _count(found.packages, "package"),
        "the data" if found.data else "",
    ]
    differing = [item for item in said if item]
    lines = [
        f"Different: {', '.join(differing)}." if differing else "Nothing differs in settings, code, packages or data."
    ]
    if found.unknown:
        lines.append(f"Packages and changes beyond the commit are not known of {' and '.join(found.unknown)}.")
    if found.changed_files:
        lines.append(f"Changed beyond the commit, not the same in both: {', '.join(found.changed_files)}.")
    return lines


def _count(pairs: Mapping[str, Pair], noun: str) -> str:
    return f"{len(pairs)} {noun}{'s' * (len(pairs) != 1)}" if pairs else ""


def _curves(found: Comparison) -> str:
    a, b = found.epochs
    length = f"{a} epochs each" if a == b else f"{a} epochs in A, {b} in B"
    if not a or not b:
        return f"Curves: {length}."
    if found.first_difference is None:
        return f"Curves: {length}; equal to the bit as far as both go."
    return f"Curves: {length}; they part after epoch {found.first_difference}."


def _class_row(item: ClassChange) -> list[str]:
    a, b = item.a / item.n, item.b / item.n
    return [item.name, f"{a:.1%}", f"{b:.1%}", f"{b - a:+.1%}", "moved" if item.p < MOVED else ""]


def _number(name: str, value: float | None) -> str:
    if value is None:
        return NONE
    if not math.isfinite(value):
        return str(value)
    if name in PERCENT:
        return f"{value:.2%}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4f}"


def _table(title: str, rows: Sequence[Sequence[str]], more: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for header in (title, "A", "B", *more):
        table.add_column(Text(header), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
