"""How a report writes numbers, times and settings; the same in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.results.statistics import Summary, t_interval
from experiments.results.tables import label, short

NONE = "-"
UNSET = ("", "null", "None")


def percent(summary: Summary | None) -> str:
    """`62.10 ± 0.40`, in percent; without a deviation for one value."""
    if summary is None:
        return NONE
    deviation = "" if summary.deviation is None else f" \N{PLUS-MINUS SIGN} {100 * summary.deviation:.2f}"
    return f"{100 * summary.mean:.2f}{deviation}"


def interval(summary: Summary | None) -> str:
    """`61.10 to 63.10`, in percent: where the mean lies with a confidence of 95 %; empty for one value."""
    found = t_interval(summary) if summary else None
    # An interval of two seeds may be wider than all there is.
    return "" if found is None else " to ".join(f"{100 * min(1, max(0, bound)):.2f}" for bound in found)


def duration(seconds: float | None) -> str:
    """`9 s`, `1 min 5 s`, `2 h 3 min`."""
    if seconds is None:
        return NONE
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 run`, `1,000 runs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(items: Sequence[str], most: int = 5) -> str:
    """`a, b and c`; of many the first, and how many more."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most:,} more"
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def telling(groups: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[str]:
    """Of the columns as few as tell the groups apart as well as all do; names always."""
    kept = [key for key in columns if key.endswith(".name")]
    while rest := [key for key in columns if key not in kept]:
        best = max(rest, key=lambda key: _kinds(groups, [*kept, key]))
        if _kinds(groups, [*kept, best]) == _kinds(groups, kept):
            break
        kept.append(best)
    return kept


def _kinds(groups: Sequence[Mapping[str, str]], columns: Sequence[str]) -> int:
    return len({tuple(values.get(key) for key in columns) for values in groups})


def settings(values: Mapping[str, str], columns: Sequence[str]) -> str:
    """What tells a group apart, `model1 nadam learning_rate=0.0004264`: names without their key, nothing unset."""
    told = [(key, values[key]) for key in columns if values.get(key, "") not in UNSET]
    words = [short(value) if key.endswith(".name") else f"{label(key, columns)}={short(value)}" for key, value in told]
    return " ".join(words) or "no settings recorded"
