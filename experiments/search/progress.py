"""What a person sees of a sweep while it runs: a line for each trial that ends, and one that tells how it stands."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console

from experiments.display import duration, say
from experiments.search.board import best_trial
from experiments.search.finals import SCORE, missing, wanted
from experiments.search.history import FINAL, TRIAL, History, part_of
from experiments.search.plan import overrides_of
from experiments.search.records import Trial
from experiments.tracking.journal import Entry


class SweepProgress:
    """Shows a sweep on a console; `look` is an observer of its ledger.

    `workers` says how many trials run at once, on which depends how much time is left; it may change.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.workers: Callable[[], int] = lambda: 1
        self._status = console.status("starting workers")
        self._began: dict[tuple[str, int], int] = {}
        self._took: dict[str, list[float]] = {TRIAL: [], FINAL: []}

    def __enter__(self) -> SweepProgress:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def look(self, entry: Entry, history: History) -> None:
        """Take in an entry."""
        part = part_of(entry)
        number = entry.facts.get(part, 0)
        if entry.kind == "started":
            self._began[part, number] = entry.at
        elif entry.kind == "lost":
            self._began.pop((part, number), None)
            item = history.part(part)[number - 1]
            say(self._console, f"{_head(item, history)}{entry.facts['reason']}; trying it again")
        elif entry.kind == "ended":
            if (part, number) in self._began:
                self._took[part].append((entry.at - self._began.pop((part, number))) / 1000)
            say(self._console, ended_line(history.part(part)[number - 1], history))
        self._status.update(self.standing(history))

    def standing(self, history: History) -> str:
        """How the sweep stands, in one line: 7 of 20 trials done, best val_accuracy 61.20 % (trial 3), 2 min left."""
        assert history.sweep is not None
        if history.finals and not history.unfinished():
            return self._final_standing(history)
        done, number = len(history.ended_order), history.limits.max_trials
        parts = [f"{done} of {number} trials done", f"{len(self._began)} running"]
        best = best_trial(history.trials, history.sweep.objective)
        if best is not None:
            parts.append(f"best {history.sweep.objective} {score_text(history, best)} (trial {best.number})")
        left = self._seconds(TRIAL, history.limits.max_trials - done)
        if history.limits.max_minutes is not None:
            left = min(left, 60 * history.limits.max_minutes - history.seconds)
        if left > 0:
            after = ", then the final trainings" if history.limits.final_seeds else ""
            parts.append(f"about {duration(left)} left{after}")
        return ", ".join(parts)

    def _final_standing(self, history: History) -> str:
        number = len(wanted(history))
        done = number - len(missing(history))
        parts = [f"the search is done; {done} of {number} final trainings done"]
        if left := self._seconds(FINAL, number - done):
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def _seconds(self, part: str, number: int) -> float:
        """So many more will take, from how long those before took; 0: nothing is known yet."""
        took = self._took[part]
        return number * sum(took) / len(took) / self.workers() if took else 0.0


def ended_line(trial: Trial, history: History) -> str:
    """What became of a trial, in one line."""
    assert history.sweep is not None
    head = _head(trial, history)
    if trial.of:
        return f"{head}failed: {trial.reason}" if trial.state == "failed" else f"{head}{_final_result(trial)}"
    settings = " ".join(overrides_of(trial.point))
    if trial.state == "failed":
        return f"{head}failed: {trial.reason}; {settings}"
    if "reused" in trial.facts:
        settings = f"taken over from run {trial.facts['reused'][:8]}, which is equal; {settings}"
    stopped = f", stopped early: {trial.reason}" if trial.state == "pruned" else ""
    return f"{head}{history.sweep.objective} {score_text(history, trial)}{stopped}; {settings}"


def score_text(history: History, trial: Trial) -> str:
    """A score as people read it: accuracies in percent."""
    assert history.sweep is not None
    assert trial.score is not None
    return f"{trial.score:.2%}" if history.sweep.objective.endswith("accuracy") else f"{trial.score:.4f}"


def _head(trial: Trial, history: History) -> str:
    if trial.of:
        return f"final training {trial.number}, the {trial.of} on seed {trial.config['seed']}: "
    return f"trial {trial.number} of {history.limits.max_trials}: "


def _final_result(final: Trial) -> str:
    taken = f", taken over from run {final.facts['reused'][:8]}, which is equal" if "reused" in final.facts else ""
    return f"test accuracy {final.facts[SCORE]:.2%}{taken}"
