"""The loop of a sweep: propose, hand out, take in, and write each step down before the next one.

It is gone through twice: for the trials of the search, then for the trainings that a sweep ends with (see `finals`).
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from cifar.fields import ConfigError
from experiments.search.config import PruningConfig, read_node, read_tuner
from experiments.search.failures import NoScoreError, common_reason
from experiments.search.finals import next_wanted, wanted
from experiments.search.history import FINAL, TRIAL, History
from experiments.search.ledger import Ledger
from experiments.search.plan import Plan, Tree, plan_of
from experiments.search.pruning import Bars, set_bars
from experiments.search.records import SweepError, Trial
from experiments.search.tuner import NothingLeftError, Proposal, Tuner
from experiments.search.tuners import build_tuner
from experiments.search.workers import Job, Outcome, WorkerLostError, Workers
from experiments.tracking.signals import Terminated, name_of

SAME_FAILURES = 3
"""So many failures in a row for the same reason stop a sweep: the next trial would fail of it too."""

LOOK_SECONDS = 5.0
"""So often, at least, it is seen to that workers which have joined get a trial."""


@dataclass
class _Session:
    """One process's work on a part of a sweep: its trials, or its final trainings, which "trial" means here too."""

    part: str
    ledger: Ledger
    plan: Plan
    tuner: Tuner
    pruning: PruningConfig
    objective: str
    workers: Workers
    waiting: deque[int] = field(default_factory=deque)
    running: dict[Future[Outcome], int] = field(default_factory=dict)
    stop: str = ""
    """Why no trial is begun any more."""
    broken: bool = False

    @property
    def history(self) -> History:
        return self.ledger.history

    def trial(self, number: int) -> Trial:
        return self.history.part(self.part)[number - 1]

    def note(self, kind: str, number: int, **facts: Any) -> None:
        """Write down what happened to a trial."""
        self.ledger.append(kind, **{self.part: number}, **facts)


def drive(ledger: Ledger, workers: Workers) -> str:
    """Work on a sweep until one of its limits is reached, from wherever its ledger says that it stands.

    Args:
        ledger: open, with its sweep begun (`Ledger.begin`).
        workers: run the trials.

    Returns:
        Why it stopped, in words.

    Raises:
        SweepError: the ledger cannot be written, or three trials in a row failed for the same reason.
        KeyboardInterrupt, Terminated: it was told to stop; trials that ran are run again when it is resumed.
    """
    search, finals = _begin(TRIAL, ledger, workers), _begin(FINAL, ledger, workers)
    ledger.append("opened", host=platform.node(), process=os.getpid())
    try:
        _work(search, ledger.history.unfinished())
        if not search.broken:
            asked = [item.config for item in wanted(ledger.history)]
            _work(finals, [final for final in ledger.history.unfinished(FINAL) if final.config in asked])
    except (KeyboardInterrupt, Terminated) as stop:
        with suppress(SweepError):  # the disk may be full
            ledger.append("closed", reason=name_of(stop))
        raise
    reason = finals.stop if finals.broken else search.stop
    ledger.append("closed", reason=reason)
    if search.broken or finals.broken:
        raise SweepError(
            f"{ledger.folder}: {reason}. Mend that, then resume the sweep; those that failed are not tried again"
        )
    return reason


def _begin(part: str, ledger: Ledger, workers: Workers) -> _Session:
    sweep = ledger.history.sweep
    assert sweep is not None
    plan = plan_of(sweep)
    return _Session(
        part,
        ledger,
        plan,
        build_tuner(read_tuner(sweep.tuner), plan.space, sweep.objective, sweep.seed),
        read_node(PruningConfig, sweep.pruning),
        sweep.objective,
        workers,
    )


def _work(session: _Session, begun: Sequence[Trial]) -> None:
    """Have all trials of a part run that its limits allow, those first that were begun before."""
    session.waiting.extend(trial.number for trial in begun)
    _check_limits(session)
    while _fill(session):
        left = _seconds_left(session)
        done, _ = wait(session.running, LOOK_SECONDS if left is None else min(left, LOOK_SECONDS), FIRST_COMPLETED)
        for future in sorted(done, key=lambda future: session.running[future]):
            _settle(session, session.running.pop(future), future)
        _check_limits(session)


def _fill(session: _Session) -> bool:
    """Give every free worker a trial, as long as there is one; returns whether any trial runs."""
    while len(session.running) < session.workers.capacity and not session.stop:
        number = session.waiting.popleft() if session.waiting else _propose(session)
        if number is None:
            break
        _start(session, number)
    return bool(session.running)


def _propose(session: _Session) -> int | None:
    """Write down the next trial; None if there is none, or none yet."""
    if session.part == FINAL:
        return _propose_final(session)
    trials = session.history.trials
    nothing_more = ""
    proposal = None
    if len(trials) >= session.history.limits.max_trials:
        nothing_more = f"{len(trials)} trials, as many as were to be made"
    else:
        try:
            proposal = session.tuner.propose(trials)
        except NothingLeftError as error:
            nothing_more = str(error)
    if proposal is None:
        assert session.running or nothing_more, "the tuner waits for a trial, and none runs"
        session.stop = "" if session.running else nothing_more  # one that runs may still be lost, and run again
        return None
    number, rung = len(trials) + 1, asdict(proposal.rung) if proposal.rung else None
    try:
        config = _config(session, proposal)
    except ConfigError:
        config = {}
    session.note("proposed", number, point=proposal.point, rung=rung, config=config)
    return number


def _propose_final(session: _Session) -> int | None:
    item = next_wanted(session.history)
    if item is None:
        session.stop = "" if session.running else "every final training was made"
        return None
    number = len(session.history.finals) + 1
    session.note("proposed", number, of=item.of, point=item.point, config=item.config)
    return number


def _config(session: _Session, wanted: Proposal | Trial) -> Tree:
    return session.plan.tree(wanted.point, wanted.rung.epochs if wanted.rung else None)


def _start(session: _Session, number: int) -> None:
    if not session.trial(number).config:
        _refuse(session, number)
        return
    session.note("started", number, attempt=session.trial(number).attempts + 1)
    trial = session.trial(number)
    origin = session.trial(trial.rung.from_trial) if trial.rung and trial.rung.from_trial else None
    reuse = session.history.limits.reuse
    session.running[session.workers.submit(Job(trial, _bars(session, trial), origin, reuse))] = number


def _bars(session: _Session, trial: Trial) -> Bars:
    if session.part == FINAL:
        return Bars(session.objective)
    key, epochs = session.plan.space.compared, trial.config["training"]["epochs"]
    if key is None:
        return set_bars(session.pruning, session.objective, session.history.ended, epochs)
    peers = [other for other in session.history.ended if other.point[key] == trial.point[key]]
    return set_bars(session.pruning, session.objective, peers, epochs, f"others with {key}={trial.point[key]}")


def _refuse(session: _Session, number: int) -> None:
    """End a trial whose values do not go together, though each of them is possible."""
    try:
        _config(session, session.trial(number))
    except ConfigError as error:
        _fail(session, number, error)
    _check_limits(session)


def _settle(session: _Session, number: int, future: Future[Outcome]) -> None:
    """Write down what became of a trial."""
    try:
        outcome = future.result()
        if not math.isfinite(outcome.score):
            raise NoScoreError(f"{session.objective} is {outcome.score}")
        state = {"state": "pruned", "reason": outcome.pruned} if outcome.pruned else {"state": "finished"}
        curve = [value if math.isfinite(value) else None for value in outcome.curve]
        session.note("ended", number, **state, score=outcome.score, curve=curve, facts=outcome.facts)
    except SweepError:
        raise
    except WorkerLostError as error:
        _lose(session, number, error)
    except Exception as error:
        _fail(session, number, error)


def _lose(session: _Session, number: int, error: WorkerLostError) -> None:
    lost = session.trial(number).lost
    if lost >= session.history.limits.max_retries:
        _fail(session, number, WorkerLostError(f"{error} ({lost + 1} times)"))
        return
    session.note("lost", number, reason=str(error))
    session.waiting.appendleft(number)


def _fail(session: _Session, number: int, error: Exception) -> None:
    text = " ".join(str(error).split())
    session.note("ended", number, state="failed", reason=f"{type(error).__name__}: {text}".rstrip(": "))


def _check_limits(session: _Session) -> None:
    """Find out whether to begin more trials; those that run are waited for."""
    if session.stop:
        return
    left = _seconds_left(session)
    if _is_more_to_come(session) and _same_failures(session):
        reason = session.history.session_failures[-1].reason
        session.stop = f"{SAME_FAILURES} trials in a row failed for the same reason: {reason}"
        session.broken = True
    elif left is not None and left <= 0:
        session.stop = f"{session.history.limits.max_minutes:g} minutes are over"
        for future in [future for future in session.running if future.cancel()]:  # it has waited for a worker till now
            del session.running[future]


def _is_more_to_come(session: _Session) -> bool:
    """Whether there are trials that would fail of the same reason too."""
    if session.part == FINAL:
        return bool(session.waiting) or next_wanted(session.history) is not None
    return bool(session.waiting) or len(session.history.trials) < session.history.limits.max_trials


def _same_failures(session: _Session) -> bool:
    """Whether the last ones of this part, of this session, failed of the same; a search and its end do not add up.

    One whose values do not go together, which has no configuration, says nothing of those to come.
    """
    failures = [trial for trial in session.history.session_failures if bool(trial.of) == (session.part == FINAL)]
    last = failures[-SAME_FAILURES:]
    reasons = {common_reason(trial.reason or "") if trial.config else None for trial in last}
    return len(last) == SAME_FAILURES and len(reasons) == 1 and None not in reasons


def _seconds_left(session: _Session) -> float | None:
    """Until `max_minutes` are over; None: nothing to wait for but the trials."""
    minutes = session.history.limits.max_minutes if session.part == TRIAL else None
    if minutes is None or session.stop:
        return None
    here = time.time() - session.history.session_began_at / 1000
    return max(0.0, minutes * 60 - session.history.seconds_before - here)
