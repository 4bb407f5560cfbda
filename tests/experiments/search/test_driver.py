from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.search import driver as driver_module
from experiments.search import ledger as ledger_module
from experiments.search.driver import drive
from experiments.search.finals import verdict
from experiments.search.history import PARTS, History
from experiments.search.ledger import LEDGER_FILE, open_ledger, read_ledger
from experiments.search.pruning import Bars
from experiments.search.records import Limits, Sweep, SweepError, Trial
from experiments.search.workers import Here, Job, Outcome, Pool, WorkerLostError
from experiments.tracking.signals import Terminated, raise_on_stop
from tests.experiments.search.sweeps import SMALL, run_sweep, sweep_of, train

pytestmark = pytest.mark.usefixtures("signals_arrive")


def driven(
    folder: Path, run: Callable[[Job], Outcome], limits: Limits, sweep: Sweep | None = None, workers: int = 1
) -> tuple[str, History]:
    """Works on a sweep; returns why it stopped, and what is known then."""
    with open_ledger(folder) as ledger, ThreadPoolExecutor(workers) as executor:
        ledger.begin(sweep or sweep_of(), limits)
        reason = drive(ledger, Pool(executor, run, workers) if workers > 1 else Here(run))
        return reason, ledger.history


def fine(job: Job) -> Outcome:
    return Outcome(score=job.trial.number / 100, curve=(0.0, job.trial.number / 100))


def kinds(folder: Path) -> list[str]:
    return [json.loads(line)["kind"] for line in (folder / LEDGER_FILE).read_text(encoding="utf-8").splitlines()]


def same(trials: list[Trial]) -> list[Trial]:
    """Trials without how often they were begun."""
    return [replace(trial, attempts=0, lost=0) for trial in trials]


def until_ended(folder: Path, number: int) -> None:
    """Waits until so many trials have ended."""
    for _ in range(2000):
        if len(read_ledger(folder).ended) >= number:
            return
        time.sleep(0.01)


def test_exactly_as_many_trials_are_made_as_were_asked_for(tmp_path: Path) -> None:
    reason, history = driven(tmp_path, fine, Limits(7))
    assert reason == "7 trials, as many as were to be made"
    assert [(trial.number, trial.state, trial.score) for trial in history.trials] == [
        (number, "finished", number / 100) for number in range(1, 8)
    ]
    assert history.trials[3].curve == (0.0, 0.04)


def test_a_sweep_that_is_done_stays_as_it_is_and_can_go_on_further(tmp_path: Path) -> None:
    _, before = driven(tmp_path / "a", fine, Limits(5))
    _, again = driven(tmp_path / "a", fine, Limits(5))
    assert again.trials == before.trials
    _, further = driven(tmp_path / "a", fine, Limits(9))
    assert further.trials == driven(tmp_path / "b", fine, Limits(9))[1].trials


@pytest.mark.parametrize("workers", [2, 5])
@pytest.mark.parametrize("tuner", ["random", "grid"])
def test_several_workers_make_the_same_trials_as_one_whoever_is_first(tmp_path: Path, tuner: str, workers: int) -> None:
    def slow(job: Job) -> Outcome:
        if job.trial.number == 1:
            until_ended(tmp_path / "several", 1)
        return fine(job)

    _, one = driven(tmp_path / "one", fine, Limits(15), sweep_of(tuner))
    _, several = driven(tmp_path / "several", slow, Limits(15), sweep_of(tuner), workers)
    assert several.trials == one.trials
    assert one.ended_order[0] == 1
    assert several.ended_order[0] != 1


def test_several_workers_are_all_busy(tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=20)

    def meet(job: Job) -> Outcome:
        together.wait()
        return fine(job)

    for tuner in ("random", "grid", "hyperband"):
        assert len(driven(tmp_path / tuner, meet, Limits(8), sweep_of(tuner), workers=4)[1].ended) == 8


def test_hyperband_with_several_workers_ends_and_accounts_for_each_trial(tmp_path: Path) -> None:
    _, history = driven(tmp_path, train, Limits(23), sweep_of("hyperband"), workers=3)
    assert len(history.ended) == 23
    levels = Counter(trial.rung.level for trial in history.trials if trial.rung)
    assert levels[1] >= 3
    assert levels[2] >= 1
    assert {trial.config["training"]["epochs"] for trial in history.trials if trial.rung and trial.rung.level == 2} == {
        9
    }


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_a_failure(tmp_path: Path, score: float) -> None:
    def run(job: Job) -> Outcome:
        return Outcome(score, (0.5, float("nan"))) if job.trial.number == 2 else Outcome(0.5, (0.5, float("nan")))

    _, history = driven(tmp_path, run, Limits(3))
    assert [trial.state for trial in history.trials] == ["finished", "failed", "finished"]
    assert history.trials[1].reason == f"NoScoreError: val_accuracy is {score}"
    assert (history.trials[1].score, history.trials[0].curve) == (None, (0.5, None))


def test_what_a_sweep_cannot_keep_is_a_failure_of_its_trial(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        return Outcome(0.5, facts={"loss": float("nan")} if job.trial.number == 1 else {"path": Path()})

    _, history = driven(tmp_path, run, Limits(2))
    assert [trial.state for trial in history.trials] == ["failed", "failed"]


def test_a_trial_that_fails_does_not_stop_the_sweep(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.number % 3:
            raise MemoryError(f"out of memory\nin trial {job.trial.number}")
        return fine(job)

    _, history = driven(tmp_path, run, Limits(9))
    assert Counter(trial.state for trial in history.trials) == {"failed": 6, "finished": 3}
    assert history.trials[0].reason == "MemoryError: out of memory in trial 1"


def test_three_failures_in_a_row_for_the_same_reason_stop_the_sweep_with_it(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.number > 4:
            raise OSError(f"no space left, trial {job.trial.number}")
        return fine(job)

    with pytest.raises(SweepError) as error:
        driven(tmp_path, run, Limits(20))
    assert str(error.value) == (
        f"{tmp_path}: 3 trials in a row failed for the same reason: OSError: no space left, trial 7. "
        "Mend that, then resume the sweep; those that failed are not tried again"
    )
    assert len(read_ledger(tmp_path).ended) == 7
    assert len(driven(tmp_path, fine, Limits(20))[1].ended) == 20, "it can be gone on with"


def test_failures_that_end_a_search_do_not_keep_it_from_its_end(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.number > 2 and not job.trial.of:
            raise OSError("no space left")
        return scoring(job)

    reason, history = driven(tmp_path, run, Limits(5, final_seeds=1))
    assert reason == "5 trials, as many as were to be made"
    assert [final.state for final in history.finals] == ["finished"] * len(history.finals)
    assert history.finals


def test_failures_for_different_reasons_do_not_stop_it(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        raise (OSError, MemoryError, ArithmeticError)[job.trial.number % 3]("no")

    _, history = driven(tmp_path, run, Limits(8))
    assert [trial.state for trial in history.trials] == ["failed"] * 8


class TrainingDivergedError(ArithmeticError):
    """As it is called in cifar.training, without the libraries."""


def test_trials_that_diverge_do_not_stop_it_however_many_in_a_row(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.number % 2:
            raise TrainingDivergedError("epoch 1: the loss is not a finite number after step 3")
        return Outcome(float("nan"))

    _, history = driven(tmp_path, run, Limits(8))
    assert [trial.state for trial in history.trials] == ["failed"] * 8


def test_trials_that_fail_of_what_their_own_values_are_do_not_stop_it(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        raise ValueError(f"no {'xyz'[job.trial.number % 3]} can be made")

    _, history = driven(tmp_path, run, Limits(8))
    assert [trial.state for trial in history.trials] == ["failed"] * 8


def test_what_runs_beside_three_failures_is_waited_for_and_kept(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.number > 1:
            raise OSError("no")
        until_ended(tmp_path, 3)
        return fine(job)

    with pytest.raises(SweepError, match="3 trials in a row failed"):
        driven(tmp_path, run, Limits(20), workers=2)
    assert [trial.state for trial in read_ledger(tmp_path).trials] == ["finished", "failed", "failed", "failed"]


def test_a_lost_worker_costs_its_trial_another_attempt(tmp_path: Path) -> None:
    attempts: Counter[int] = Counter()

    def run(job: Job) -> Outcome:
        attempts[job.trial.number] += 1
        if job.trial.number == 2 and attempts[2] < 3:
            raise WorkerLostError("killed by SIGKILL")
        return fine(job)

    _, history = driven(tmp_path, run, Limits(4, max_retries=2))
    assert [(trial.state, trial.attempts, trial.lost) for trial in history.trials] == [
        ("finished", 1, 0), ("finished", 3, 2), ("finished", 1, 0), ("finished", 1, 0),
    ]  # fmt: skip
    assert same(history.trials) == same(driven(tmp_path / "quiet", fine, Limits(4))[1].trials)


def test_a_trial_whose_workers_are_lost_again_and_again_fails(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.number == 2:
            raise WorkerLostError("out of memory")
        return fine(job)

    _, history = driven(tmp_path, run, Limits(3, max_retries=1))
    assert [trial.state for trial in history.trials] == ["finished", "failed", "finished"]
    assert history.trials[1].reason == "WorkerLostError: out of memory (2 times)"


def test_values_that_do_not_go_together_fail_without_a_worker(tmp_path: Path) -> None:
    space = {
        "name": "s",
        "search": {"training.batch_size": {"low": 2, "high": 64, "step": 62}, "data.train_size": [32, 64]},
    }
    begun = []

    def run(job: Job) -> Outcome:
        begun.append(job.trial.number)
        return fine(job)

    _, history = driven(tmp_path, run, Limits(4), sweep_of(space=space))
    refused = [trial for trial in history.trials if trial.state == "failed"]
    assert [trial.point for trial in refused] == [{"training.batch_size": 64, "data.train_size": 32}]
    assert refused[0].reason == (
        "ConfigError: training.batch_size=64: expected at most 32, the number of training images"
    )
    assert len(begun) == 3


def test_values_that_do_not_go_together_do_not_stop_it_however_many_in_a_row(tmp_path: Path) -> None:
    search = {"training.batch_size": {"low": 70, "high": 128, "step": 1}, "data.train_size": [32, 64]}
    _, history = driven(tmp_path, fine, Limits(8), sweep_of(space={"name": "s", "search": search}))
    assert [trial.state for trial in history.trials] == ["failed"] * 8


def test_a_finite_space_ends_a_sweep_before_its_limit(tmp_path: Path) -> None:
    reason, history = driven(tmp_path, fine, Limits(50), sweep_of(space={"name": "s", "search": {"seed": [1, 2, 3]}}))
    assert (reason, len(history.trials)) == ("every point of s was tried", 3)


def test_when_its_minutes_are_over_what_runs_is_finished_and_nothing_more_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000_000.0]
    monkeypatch.setattr(ledger_module, "now", lambda: int(clock[0] * 1000))
    monkeypatch.setattr(driver_module, "time", SimpleNamespace(time=lambda: clock[0]))

    def run(job: Job) -> Outcome:
        clock[0] += 60
        return fine(job)

    limits = Limits(50, max_minutes=2.5)
    reason, history = driven(tmp_path, run, limits)
    assert (reason, [trial.state for trial in history.trials]) == ("2.5 minutes are over", ["finished"] * 3)
    clock[0] += 3600
    assert len(driven(tmp_path, run, limits)[1].trials) == 3, "the time of earlier sessions counts"
    assert len(driven(tmp_path, run, Limits(50, max_minutes=4.5))[1].trials) == 5, "but not the pause between them"


class Arriving:
    """Workers that do not begin a trial before there are `wanted` of them to begin together."""

    def __init__(self, executor: ThreadPoolExecutor, wanted: int) -> None:
        self._executor, self._together, self._began = executor, threading.Barrier(wanted, timeout=20), time.monotonic()

    @property
    def capacity(self) -> int:
        return 1 if time.monotonic() - self._began < 0.2 else self._together.parties

    def submit(self, job: Job) -> Future[Outcome]:
        def run() -> Outcome:
            self._together.wait()
            return fine(job)

        return self._executor.submit(run)


def test_workers_that_join_while_a_trial_runs_get_trials_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "LOOK_SECONDS", 0.05)
    with open_ledger(tmp_path) as ledger, ThreadPoolExecutor(3) as executor:
        ledger.begin(sweep_of(), Limits(3))
        drive(ledger, Arriving(executor, 3))
        assert [trial.state for trial in ledger.history.trials] == ["finished"] * 3


def test_a_time_limit_does_not_wait_for_a_worker_that_never_comes(tmp_path: Path) -> None:
    nobody = SimpleNamespace(capacity=1, submit=lambda job: Future())
    with open_ledger(tmp_path) as ledger:
        ledger.begin(sweep_of(), Limits(3, max_minutes=0.5 / 60))
        assert drive(ledger, nobody).endswith("minutes are over")
    assert driven(tmp_path, fine, Limits(3))[1].trials[0].state == "finished"


def test_pruned_trials_are_kept_with_their_reason(tmp_path: Path) -> None:
    sweep = sweep_of(pruning={"rule": "median", "first_epoch": 2, "min_trials": 2})
    _, history = driven(tmp_path, train, Limits(12), sweep)
    states = Counter(trial.state for trial in history.trials)
    assert states["pruned"] > 2
    assert states["finished"] > 2
    pruned = next(trial for trial in history.trials if trial.state == "pruned")
    assert pruned.reason is not None
    assert "is below the median of" in pruned.reason
    assert pruned.score == max(value for value in pruned.curve if value is not None)
    assert len(pruned.curve) < 15


def bars_of(tmp_path: Path, sweep: Sweep) -> list[tuple[Any, Bars]]:
    """What each trial of a sweep was judged by, beside its optimizer: SGD learns slowly, Adam fast, RMSprop faster."""
    asked: list[tuple[Any, Bars]] = []

    def run(job: Job) -> Outcome:
        optimizer = job.trial.config["optimizer"]["name"]
        asked.append((optimizer, job.bars))
        return Outcome(15 * PACE[optimizer], tuple(PACE[optimizer] * epoch for epoch in range(1, 16)))

    driven(tmp_path, run, Limits(9), sweep)
    return asked


PACE = {"sgd": 0.01, "adam": 0.04, "rmsprop": 0.05}
MEDIAN = {"rule": "median", "first_epoch": 2, "min_trials": 2}


def test_where_options_are_compared_a_trial_is_judged_beside_those_of_its_own_option(tmp_path: Path) -> None:
    judged = [(optimizer, bar) for optimizer, bars in bars_of(tmp_path, sweep_of(pruning=MEDIAN)) for bar in bars.bars]
    assert {optimizer for optimizer, _ in judged} == set(PACE)
    for optimizer, bar in judged:
        assert bar.value == pytest.approx(PACE[optimizer] * bar.epoch)
        assert bar.rule == f"below the median of 2 others with optimizer={optimizer}"


def test_where_nothing_is_compared_it_is_judged_beside_all_others(tmp_path: Path) -> None:
    judged = bars_of(tmp_path, sweep_of(space=SMALL, pruning=MEDIAN))
    assert {bar.rule for bar in judged[-1][1].bars} == {"below the median of 8 others"}


@pytest.mark.parametrize(("number", "error", "said"), [
    (signal.SIGINT, KeyboardInterrupt, "Ctrl-C"), (signal.SIGTERM, Terminated, "SIGTERM"),
    (signal.SIGHUP, Terminated, "SIGHUP"),
])  # fmt: skip
@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_leaves_a_ledger_that_goes_on_as_if_there_had_been_none(
    tmp_path: Path, number: signal.Signals, error: type[BaseException], said: str, workers: int
) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.number == 4:
            os.kill(os.getpid(), number)
            time.sleep(0.05)
        return fine(job)

    with pytest.raises(error), raise_on_stop():
        driven(tmp_path / "a", run, Limits(8), workers=workers)
    assert kinds(tmp_path / "a")[-1] == "closed"
    assert f'"reason": "{said}"' in (tmp_path / "a" / LEDGER_FILE).read_text(encoding="utf-8")
    _, history = driven(tmp_path / "a", fine, Limits(8))
    assert same(history.trials) == same(driven(tmp_path / "b", fine, Limits(8))[1].trials)


@pytest.mark.parametrize("call", range(2, 12))
def test_a_stop_in_the_middle_of_writing_waits_for_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    calls = count(1)
    fsync = os.fsync

    def stopped(file: int) -> None:
        if next(calls) == call:
            signal.raise_signal(signal.SIGINT)
        fsync(file)

    monkeypatch.setattr(os, "fsync", stopped)
    with pytest.raises(KeyboardInterrupt), raise_on_stop():
        driven(tmp_path / "a", fine, Limits(8))
    monkeypatch.setattr(os, "fsync", fsync)
    _, history = driven(tmp_path / "a", fine, Limits(8))
    assert same(history.trials) == same(driven(tmp_path / "b", fine, Limits(8))[1].trials)


def test_whoever_looks_on_sees_each_step_when_it_is_on_the_disk(tmp_path: Path) -> None:
    seen: list[tuple[str, Any]] = []
    with open_ledger(tmp_path) as ledger:
        ledger.observers.append(lambda entry, history: seen.append((entry.kind, len(history.ended))))
        ledger.begin(sweep_of(), Limits(2))
        drive(ledger, Here(fine))
    assert seen == [
        ("sweep", 0), ("opened", 0),
        ("proposed", 0), ("started", 0), ("ended", 1),
        ("proposed", 1), ("started", 1), ("ended", 2),
        ("closed", 2),
    ]  # fmt: skip
    assert [kind for kind, _ in seen] == kinds(tmp_path)


def test_a_trial_knows_where_it_goes_on_from(tmp_path: Path) -> None:
    jobs: dict[int, Job] = {}

    def run(job: Job) -> Outcome:
        jobs[job.trial.number] = job
        return train(job)

    trials = run_sweep(tmp_path, sweep_of("hyperband"), Limits(13), run)
    going_on = [trial for trial in trials if trial.rung and trial.rung.from_trial]
    assert len(going_on) == 4
    for trial in going_on:
        origin = jobs[trial.number].origin
        assert origin is not None
        assert trial.rung is not None
        assert (origin.number, origin.point) == (trial.rung.from_trial, trial.point)
        assert origin.facts == {"folder": f"trials/{origin.number}"}
        assert trial.config["training"]["epochs"] == trial.rung.epochs


# --- final trainings ---------------------------------------------------------------------------------


def scoring(job: Job) -> Outcome:
    """As `fine`; final trainings are scored, by seed."""
    if not job.trial.of:
        return fine(job)
    return Outcome(0.5, facts={"test_accuracy": job.trial.config["seed"] / 10})


def finals_of(history: History) -> list[tuple[str, int, str]]:
    return [(final.of, final.config["seed"], final.state) for final in history.finals]


def begun(folder: Path) -> list[str]:
    """The trials and final trainings that were given to a worker, in their order."""
    lines = [json.loads(line) for line in (folder / LEDGER_FILE).read_text(encoding="utf-8").splitlines()]
    return [f"{part} {line[part]}" for line in lines if line["kind"] == "started" for part in PARTS if part in line]


def test_when_the_search_is_done_the_winner_and_the_default_are_trained_on_other_seeds(tmp_path: Path) -> None:
    jobs: list[Job] = []

    def run(job: Job) -> Outcome:
        jobs.append(job)
        return scoring(job)

    reason, history = driven(tmp_path, run, Limits(3, final_seeds=2))
    assert reason == "3 trials, as many as were to be made"
    assert begun(tmp_path) == ["trial 1", "trial 2", "trial 3", "final 1", "final 2", "final 3", "final 4"]
    assert finals_of(history) == [
        ("winner", 1, "finished"), ("default", 1, "finished"), ("winner", 2, "finished"), ("default", 2, "finished"),
    ]  # fmt: skip
    assert [final.config["optimizer"] for final in history.finals[:2]] == [
        history.trials[2].config["optimizer"], sweep_of().default["optimizer"],
    ]  # fmt: skip
    assert [final.facts for final in history.finals] == [{"test_accuracy": seed / 10} for seed in (1, 1, 2, 2)]
    assert [job.bars for job in jobs[3:]] == [Bars("val_accuracy")] * 4
    assert [(job.trial.number, job.trial.of) for job in jobs[3:5]] == [(1, "winner"), (2, "default")]
    assert history.ended_order == [1, 2, 3]


def test_without_seeds_or_without_a_winner_there_are_none(tmp_path: Path) -> None:
    assert driven(tmp_path / "a", scoring, Limits(3))[1].finals == []

    def fail(job: Job) -> Outcome:
        raise (OSError, MemoryError)[job.trial.number % 2]("no")

    assert driven(tmp_path / "b", fail, Limits(2, final_seeds=2))[1].finals == []


def test_a_trial_and_a_final_training_may_take_over_results_where_the_sweep_says_so(tmp_path: Path) -> None:
    told: list[bool] = []

    def run(job: Job) -> Outcome:
        told.append(job.reuse)
        return scoring(job)

    driven(tmp_path, run, Limits(2, final_seeds=1, reuse=True))
    assert told == [True] * 4
    driven(tmp_path, run, Limits(3, final_seeds=1, reuse=False))
    assert set(told[4:]) == {False}


def test_final_trainings_begin_when_the_last_trial_has_ended_and_run_side_by_side(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=20)

    def run(job: Job) -> Outcome:
        if job.trial.of:
            assert len(read_ledger(tmp_path).ended) == 5
            together.wait()
        return scoring(job)

    _, history = driven(tmp_path, run, Limits(5, final_seeds=2), workers=2)
    assert [state for _, _, state in finals_of(history)] == ["finished"] * 4


def test_several_workers_make_the_same_final_trainings_as_one(tmp_path: Path) -> None:
    _, one = driven(tmp_path / "one", scoring, Limits(6, final_seeds=3))
    _, several = driven(tmp_path / "several", scoring, Limits(6, final_seeds=3), workers=4)
    assert several.finals == one.finals
    assert len(one.finals) == 6


def test_a_lost_worker_costs_a_final_training_another_attempt_and_at_last_it_fails(tmp_path: Path) -> None:
    attempts: Counter[int] = Counter()

    def run(job: Job) -> Outcome:
        if job.trial.of:
            attempts[job.trial.number] += 1
            if job.trial.number == 1 or (job.trial.number == 2 and attempts[2] == 1):
                raise WorkerLostError("killed by SIGKILL")
        return scoring(job)

    _, history = driven(tmp_path, run, Limits(3, max_retries=1, final_seeds=2))
    assert [(final.state, final.attempts, final.lost) for final in history.finals] == [
        ("failed", 2, 1), ("finished", 2, 1), ("finished", 1, 0), ("finished", 1, 0),
    ]  # fmt: skip
    assert history.finals[0].reason == "WorkerLostError: killed by SIGKILL (2 times)"
    assert [trial.lost for trial in history.trials] == [0, 0, 0]


def test_final_trainings_that_fail_are_counted_and_not_tried_again(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.of == "winner":
            raise ArithmeticError("the loss is nan")
        return scoring(job)

    reason, history = driven(tmp_path, run, Limits(3, final_seeds=2))
    assert reason == "3 trials, as many as were to be made"
    found = verdict(history)
    assert found is not None
    assert (found.scores, found.failed, found.looks) == (None, 2, 2)
    assert driven(tmp_path, scoring, Limits(3, final_seeds=2))[1].finals == history.finals


def test_three_of_them_in_a_row_that_fail_for_the_same_reason_stop_the_sweep(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.of:
            raise OSError("no space left")
        return fine(job)

    with pytest.raises(SweepError) as error:
        driven(tmp_path, run, Limits(3, final_seeds=3))
    assert str(error.value) == (
        f"{tmp_path}: 3 trials in a row failed for the same reason: OSError: no space left. "
        "Mend that, then resume the sweep; those that failed are not tried again"
    )
    assert len(read_ledger(tmp_path).finals) == 3
    _, history = driven(tmp_path, scoring, Limits(3, final_seeds=3))
    assert [state for _, _, state in finals_of(history)] == ["failed"] * 3 + ["finished"] * 3


def test_a_search_that_broke_has_no_end(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.number > 2:
            raise OSError("no space left")
        return scoring(job)

    with pytest.raises(SweepError, match="3 trials in a row failed"):
        driven(tmp_path, run, Limits(9, final_seeds=2))
    assert read_ledger(tmp_path).finals == []
    _, history = driven(tmp_path, scoring, Limits(9, final_seeds=2))
    assert len(history.finals) == 4


def test_minutes_that_are_over_stop_the_search_and_not_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000_000.0]
    monkeypatch.setattr(ledger_module, "now", lambda: int(clock[0] * 1000))
    monkeypatch.setattr(driver_module, "time", SimpleNamespace(time=lambda: clock[0]))

    def run(job: Job) -> Outcome:
        clock[0] += 60
        return scoring(job)

    reason, history = driven(tmp_path, run, Limits(50, max_minutes=2.5, final_seeds=2))
    assert (reason, len(history.trials)) == ("2.5 minutes are over", 3)
    assert [state for _, _, state in finals_of(history)] == ["finished"] * 4
    assert verdict(history) is not None


def test_a_sweep_that_goes_on_to_another_winner_trains_that_one_only(tmp_path: Path) -> None:
    """A later trial scores higher than all before, as `fine` has it."""
    _, before = driven(tmp_path, scoring, Limits(3, final_seeds=2))
    _, after = driven(tmp_path, scoring, Limits(4, final_seeds=2))
    assert after.finals[:4] == before.finals
    assert finals_of(after)[4:] == [("winner", 1, "finished"), ("winner", 2, "finished")]
    assert after.finals[4].point == after.trials[3].point != before.finals[0].point
    found = verdict(after)
    assert found is not None
    assert (found.winner.number, found.looks) == (4, 6)


def test_a_sweep_that_goes_on_to_no_better_trial_or_to_more_seeds_trains_what_is_missing(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        outcome = scoring(job)
        return outcome if job.trial.of or job.trial.number < 4 else replace(outcome, score=0.0)

    _, before = driven(tmp_path, run, Limits(3, final_seeds=1))
    _, further = driven(tmp_path, run, Limits(5, final_seeds=1))
    assert further.finals == before.finals
    _, more = driven(tmp_path, run, Limits(5, final_seeds=2))
    assert more.finals[:2] == before.finals
    assert finals_of(more)[2:] == [("winner", 2, "finished"), ("default", 2, "finished")]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_among_them_leaves_a_ledger_that_goes_on_as_if_there_had_been_none(tmp_path: Path, workers: int) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.of and job.trial.number == 2:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        return scoring(job)

    with pytest.raises(KeyboardInterrupt), raise_on_stop():
        driven(tmp_path / "a", run, Limits(4, final_seeds=2), workers=workers)
    assert kinds(tmp_path / "a")[-1] == "closed"
    _, history = driven(tmp_path / "a", scoring, Limits(4, final_seeds=2))
    _, quiet = driven(tmp_path / "b", scoring, Limits(4, final_seeds=2))
    assert same(history.finals) == same(quiet.finals)


def test_one_that_was_cut_off_and_is_not_wanted_any_more_is_left_as_it_is(tmp_path: Path) -> None:
    def run(job: Job) -> Outcome:
        if job.trial.of:
            raise KeyboardInterrupt
        return fine(job)

    with pytest.raises(KeyboardInterrupt):
        driven(tmp_path, run, Limits(3, final_seeds=1))
    _, history = driven(tmp_path, scoring, Limits(4, final_seeds=1))
    assert finals_of(history) == [("winner", 1, "running"), ("winner", 1, "finished"), ("default", 1, "finished")]
    assert verdict(history) is not None
