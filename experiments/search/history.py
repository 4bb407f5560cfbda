"""What a ledger says, put together: the sweep, its trials and where each of them stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cifar.config import LATER
from experiments.search.records import ENDED, FORMAT, Limits, Rung, Sweep, Trial
from experiments.tracking.journal import Entry

TRIAL, FINAL = PARTS = ("trial", "final")
"""The parts of a sweep, by the keys under which a ledger's entries have their numbers: search, and what ends it."""


def part_of(entry: Entry) -> str:
    """Which part of a sweep an entry is about; empty if it is about the whole."""
    return next((part for part in PARTS if part in entry.facts), "")


def _completed(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration with the settings that came after it was written down."""
    found = dict(config)
    for key, value in LATER.items():
        node, _, name = key.rpartition(".")
        if node in found:
            found[node] = {name: value, **found[node]}
    return found


class History:
    """The entries of a ledger, applied one after another; nothing but `apply` changes it."""

    def __init__(self) -> None:
        self.sweep: Sweep | None = None
        self.trials: list[Trial] = []
        self.finals: list[Trial] = []
        self.limits = Limits(0)
        self.ended_order: list[int] = []
        self.session_began_at = 0
        self.session_failures: list[Trial] = []
        self.seconds_before, self.last_at = 0.0, 0
        self.finals_since = 0

    def apply(self, entry: Entry) -> None:
        """Take in what happened.

        Raises:
            ValueError, KeyError, TypeError: it cannot have happened after what came before.
        """
        handler: Callable[[Entry], None] | None = getattr(self, f"_on_{entry.kind}", None)
        if handler is None or (self.sweep is None) != (entry.kind == "sweep"):
            raise ValueError(f"unexpected {entry.kind}")
        handler(entry)
        self.last_at = entry.at
        if part_of(entry) == FINAL and not self.finals_since:
            self.finals_since = entry.at

    @property
    def seconds(self) -> float:
        """How long the sweep was searched, all sessions together, up to its last entry; not what ends it."""
        last = self.finals_since or self.last_at
        here = last - self.session_began_at if self.session_began_at else 0
        return self.seconds_before + max(0, here) / 1000

    @property
    def ended(self) -> list[Trial]:
        """The trials that have ended, in the order in which they did."""
        return [self.trials[number - 1] for number in self.ended_order]

    def part(self, part: str) -> list[Trial]:
        """The trials (`part` is TRIAL) or the final trainings (FINAL), in the order of their numbers."""
        return self.finals if part == FINAL else self.trials

    def unfinished(self, part: str = TRIAL) -> list[Trial]:
        """Those that were proposed and have not ended."""
        return [trial for trial in self.part(part) if not trial.has_ended]

    def _on_sweep(self, entry: Entry) -> None:
        facts = dict(entry.facts)
        if facts.pop("format") != FORMAT:
            raise ValueError("another format")
        self.limits = Limits(**facts.pop("limits"))
        bases = tuple({**base, "config": _completed(base["config"])} for base in facts.pop("bases"))
        self.sweep = Sweep(**facts | {"bases": bases, "default": _completed(facts.get("default", {}))})

    def _on_opened(self, entry: Entry) -> None:
        self.seconds_before = self.seconds
        self.session_began_at = entry.at
        self.finals_since = 0
        self.session_failures = []

    def _on_extended(self, entry: Entry) -> None:
        self.limits = replace(self.limits, **entry.facts)

    def _on_proposed(self, entry: Entry) -> None:
        facts = dict(entry.facts)
        part = part_of(entry)
        number, rung = facts.pop(part), facts.pop("rung", None)
        facts["config"] = _completed(facts["config"])
        if number != len(self.part(part)) + 1:
            raise ValueError(f"{part} {number} proposed after {len(self.part(part))}")
        self.part(part).append(Trial(number, **facts, rung=Rung(**rung) if rung else None))

    def _on_started(self, entry: Entry) -> None:
        self._change(entry, state="running", attempts=entry.facts["attempt"])

    def _on_lost(self, entry: Entry) -> None:
        self._change(entry, state="proposed", lost=self._open_trial(entry).lost + 1)

    def _on_ended(self, entry: Entry) -> None:
        changes = {key: value for key, value in entry.facts.items() if key not in PARTS}
        if changes["state"] not in ENDED:
            raise ValueError(f"unexpected state {changes['state']}")
        trial = self._change(entry, **{**changes, "curve": tuple(changes.get("curve", ()))})
        if part_of(entry) == TRIAL:
            self.ended_order.append(trial.number)
        self.session_failures = [*self.session_failures, trial] if trial.state == "failed" else []

    def _on_closed(self, entry: Entry) -> None:
        pass  # why a session ended is for people to read

    def _open_trial(self, entry: Entry) -> Trial:
        part = part_of(entry)
        trial = self.part(part)[entry.facts[part] - 1]
        if trial.has_ended or trial.number != entry.facts[part]:
            raise ValueError(f"{part} {trial.number} has ended")
        return trial

    def _change(self, entry: Entry, **changes: Any) -> Trial:
        trial = replace(self._open_trial(entry), **changes)
        self.part(part_of(entry))[trial.number - 1] = trial
        return trial
