"""What a person sees of a sweep while it runs: a line for each trial that ends, and one that tells how it stands."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console

from experiments.display import duration, say
from experiments.search.board import best_trial
from experiments.search.history import History
from experiments.search.plan import overrides_of
from experiments.search.records import Trial
from experiments.tracking.journal import Entry


class SweepProgress:
    """Shows a sweep on a console; `look` is an observer of its ledger.

    `workers`, how many trials run at once, tells how much time is left.
    """

    def __init__(self, console: Console) -> None:
        self._console, self.workers = console, 1
        self._status = console.status("starting workers")
        self._began: dict[int, int] = {}
        self._took: list[float] = []

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
        number = entry.facts.get("trial", 0)
        if entry.kind == "started":
            self._began[number] = entry.at
        elif entry.kind == "lost":
            say(
                self._console,
                f"trial {number} of {history.limits.max_trials}: {entry.facts['reason']}; trying it again",
            )
        elif entry.kind == "ended":
            if number in self._began:
                self._took.append((entry.at - self._began.pop(number)) / 1000)
            say(self._console, ended_line(history.trials[number - 1], history))
        self._status.update(self.standing(history))

    def standing(self, history: History) -> str:
        """How the sweep stands, in one line: 7 of 20 trials done, best val_accuracy 61.20 % (trial 3), 2 min left."""
        assert history.sweep is not None
        done, number = len(history.ended_order), history.limits.max_trials
        parts = [f"{done} of {number} trials done", f"{len(self._began)} running"]
        best = best_trial(history.trials, history.sweep.objective)
        if best is not None:
            parts.append(f"best {history.sweep.objective} {score_text(history, best)} (trial {best.number})")
        if left := self._seconds_left(history):
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def _seconds_left(self, history: History) -> float:
        """From how long trials took so far; 0: nothing is known yet."""
        if not self._took:
            return 0.0
        trials = history.limits.max_trials - len(history.ended_order)
        seconds = trials * sum(self._took) / len(self._took) / self.workers
        if history.limits.max_minutes is not None:
            seconds = min(seconds, 60 * history.limits.max_minutes - history.seconds)
        return max(0.0, seconds)


def ended_line(trial: Trial, history: History) -> str:
    """What became of a trial, in one line."""
    assert history.sweep is not None
    head = f"trial {trial.number} of {history.limits.max_trials}: "
    settings = " ".join(overrides_of(trial.point))
    if trial.state == "failed":
        return f"{head}failed: {trial.reason}; {settings}"
    stopped = f", stopped early: {trial.reason}" if trial.state == "pruned" else ""
    return f"{head}{history.sweep.objective} {score_text(history, trial)}{stopped}; {settings}"


def score_text(history: History, trial: Trial) -> str:
    """A score as people read it: accuracies in percent."""
    assert history.sweep is not None
    assert trial.score is not None
    return f"{trial.score:.2%}" if history.sweep.objective.endswith("accuracy") else f"{trial.score:.4f}"
