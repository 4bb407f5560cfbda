"""A sweep's own run in MLflow: what is searched, how its trials stand, what was found. Trials are recorded below it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from experiments.results.leaderboard import as_json
from experiments.results.tables import as_markdown
from experiments.search.board import best_trial, flat, standings
from experiments.search.config import OBJECTIVES
from experiments.search.finals import verdict
from experiments.search.history import TRIAL, History, part_of
from experiments.search.ledger import LEDGER_FILE
from experiments.search.preset import BEST_FILE, as_preset
from experiments.search.records import Sweep
from experiments.search.verdict import as_metrics, as_plain, in_words
from experiments.tracking.config import TrackingConfig
from experiments.tracking.facts import REFERENCE
from experiments.tracking.journal import JOURNAL_FILE, Entry, read_journal
from experiments.tracking.provenance import describe_environment, packages, uncommitted_diff
from experiments.tracking.recorder import Recorder, open_recorder
from experiments.tracking.redaction import redact
from experiments.tracking.spelling import LONGEST_TAG

if TYPE_CHECKING:
    from experiments.results.sweep_figures import ScoredTrial

SHARE = 0.05
"""Of a sweep's time at most so much goes into its live leaderboard."""


def open_parent(sweep: Sweep, folder: Path, tracking: TrackingConfig, warn: Callable[[str], None]) -> Recorder:
    """The recorder of a sweep's run in its folder: of a new one, or of the one that an earlier session began."""
    entries = read_journal(folder / JOURNAL_FILE)
    return open_recorder(
        replace(tracking, note=None) if entries else tracking,  # it stands above the leaderboard by then
        folder,
        sweep.name,
        params={"sweep.space": sweep.space["name"], "sweep.objective": sweep.objective, "sweep.seed": sweep.seed}
        | {f"sweep.tuner.{key}": value for key, value in sweep.tuner.items()}
        | {f"sweep.pruning.{key}": value for key, value in sweep.pruning.items()}
        | common(sweep),
        tags=describe_environment() | {"sweep": sweep.name},
        resume=REFERENCE + str(entries[0].facts["id"]) if entries else None,
        warn=warn,
    )


def common(sweep: Sweep) -> dict[str, Any]:
    """The settings that all trials share, under their dotted keys."""
    trees = [flat(base["config"]) for base in sweep.bases]
    searched = set(sweep.space["search"])
    same = {key: value for key, value in trees[0].items() if all(tree.get(key, ...) == value for tree in trees)}
    return {key: value for key, value in same.items() if key not in searched}


class SweepRecord:
    """Keeps a sweep's run up to date; `look` is an observer of its ledger.

    Args:
        recorder: the run's, open.
        folder: the sweep's.
        note: the user's own words, which the description begins with.
    """

    def __init__(self, recorder: Recorder, folder: Path, note: str | None = None) -> None:
        self._recorder, self._folder, self._note = recorder, folder, note
        self._idle_until = 0.0

    def begin(self, sweep: Sweep) -> None:
        """The space, and what the trials are made with."""
        space = {"space": sweep.space, "tuner": sweep.tuner, "pruning": sweep.pruning}
        self._recorder.log_text(yaml.safe_dump(_plain(space), sort_keys=False), "space.yaml")
        self._recorder.log_text(packages(), "environment/packages.txt")
        if diff := uncommitted_diff():
            self._recorder.log_text(redact(diff), "environment/uncommitted.diff")

    def look(self, entry: Entry, history: History) -> None:
        """After each trial its score and the leaderboard; the latter less often where that takes long."""
        if entry.kind != "ended" or part_of(entry) != TRIAL:
            return
        assert history.sweep is not None
        done = len(history.ended_order)
        best = best_trial(history.trials, history.sweep.objective)
        if best is not None and best.score is not None:
            self._recorder.log_metrics({f"best_{history.sweep.objective}": best.score}, step=done)
        if time.monotonic() >= self._idle_until:
            began = time.monotonic()
            self.show(history)
            self._idle_until = time.monotonic() + (time.monotonic() - began) / SHARE

    def show(self, history: History) -> None:
        """The leaderboard as it is now, for people and for programs, and the best trial as a preset."""
        assert history.sweep is not None
        board = standings(history)
        markdown = as_markdown(board)
        self._recorder.log_text(markdown, "leaderboard.md")
        self._recorder.log_json(as_json(board), "leaderboard.json")
        self._recorder.set_tags({"mlflow.note.content": self._description(history, markdown)})
        best = best_trial(history.trials, history.sweep.objective)
        if best is not None:
            preset = as_preset(best, history.sweep, len(history.ended_order), str(self._folder / BEST_FILE))
            _replace(self._folder / BEST_FILE, preset)
            self._recorder.log_text(preset, BEST_FILE)

    def finish(self, history: History) -> None:
        """The leaderboard of all trials, and the pictures."""
        from experiments.results import sweep_figures as figures

        assert history.sweep is not None
        self.show(history)
        if found := verdict(history):
            self._recorder.log_json(as_plain(found), "verdict.json")
            self._recorder.log_metrics(as_metrics(found), step=len(history.ended_order))
        trials, objective = scored_trials(self._folder), history.sweep.objective
        if not trials:
            return
        sign = OBJECTIVES[objective]
        log = self._recorder.log_figure
        log(figures.best_so_far(trials, objective, sign), "figures/best_so_far.png")
        log(figures.score_by_setting(trials, objective), "figures/score_by_setting.png")
        log(figures.parallel_coordinates(trials, objective, sign), "figures/parallel_coordinates.png")

    def _description(self, history: History, leaderboard: str) -> str:
        """What MLflow shows on the sweep's page: the user's note, then as much of the leaderboard as fits a tag."""
        done = f"{len(history.ended_order)} of {history.limits.max_trials} trials done."
        found = verdict(history)
        said = [f"- {line}" for line in in_words(found).splitlines()] if found else []
        lines = [*([self._note, ""] if self._note else []), done, *said, "", *leaderboard.splitlines()]
        kept = list(accumulate(len(line) + 1 for line in lines))
        return "\n".join(line for line, length in zip(lines, kept, strict=True) if length <= LONGEST_TAG)


def scored_trials(folder: Path) -> list[ScoredTrial]:
    """The trials with a score, in the order of their ends, and how long the sweep had been worked on at each."""
    from experiments.results.sweep_figures import ScoredTrial

    history, scored = History(), []
    for line in (folder / LEDGER_FILE).read_bytes().splitlines():
        entry = Entry.read(line)
        history.apply(entry)
        if entry.kind == "ended" and part_of(entry) == TRIAL and entry.facts.get("score") is not None:
            trial = history.trials[entry.facts["trial"] - 1]
            minutes = history.seconds / 60
            scored.append(ScoredTrial(trial.point, entry.facts["score"], minutes, trial.state == "pruned"))
    return scored


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _plain(value: Any) -> Any:
    """Without tuples and the like, which YAML would mark."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
