from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from experiments.search.pruning import Bars
from experiments.search.records import Trial
from experiments.search.workers import Here, Job, Outcome, Pool, WorkerLostError

JOB = Job(Trial(1, {}, {}), Bars("val_accuracy"))


def fail(job: Job) -> Outcome:
    raise WorkerLostError("killed by SIGKILL")


def test_a_trial_runs_here_or_in_an_executor() -> None:
    def run(job: Job) -> Outcome:
        return Outcome(score=float(job.trial.number))

    with ThreadPoolExecutor(1) as executor:
        for workers in (Here(run), Pool(executor, run, capacity=1)):
            assert workers.submit(JOB).result() == Outcome(1.0)


def test_what_goes_wrong_is_in_the_future() -> None:
    with ThreadPoolExecutor(1) as executor:
        for workers in (Here(fail), Pool(executor, fail, capacity=1)):
            with pytest.raises(WorkerLostError, match="killed by SIGKILL"):
                workers.submit(JOB).result()


def test_a_stop_is_not_taken_for_a_failure() -> None:
    def stop(job: Job) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Here(stop).submit(JOB)
