"""What a check found: a line, how bad it is, what to do, and, where that is safe, the function that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

Mend = Callable[[], str]
"""Puts something right, and says in a line what it did."""

Tell = Callable[[str], None]
"""Is told, in few words, how far something is."""


class Level(StrEnum):
    """How bad it is. Only a problem makes the command fail."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"
    MENDED = "mended"


@dataclass(frozen=True)
class Finding:
    """One line of a report. `advice`: what to do; `mend` does it, which `--fix` asks for."""

    level: Level
    text: str
    advice: str = ""
    mend: Mend | None = None


def ok(text: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, text)


def note(text: str) -> Finding:
    """Good to know; nothing to do."""
    return Finding(Level.NOTE, text)


def warning(text: str, advice: str = "", mend: Mend | None = None) -> Finding:
    """It may cost something later."""
    return Finding(Level.WARNING, text, advice, mend)


def problem(text: str, advice: str = "", mend: Mend | None = None) -> Finding:
    """Something is lost, wrong, or will fail."""
    return Finding(Level.PROBLEM, text, advice, mend)


def some(names: Iterable[str], most: int = 3) -> str:
    """The first few of them: a, b, c and 7 more."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def plural(count: int, thing: str) -> str:
    """1 run, 2 runs."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


def size(count: float) -> str:
    """Bytes as a person says them: 12 MB, 1.5 GB."""
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
