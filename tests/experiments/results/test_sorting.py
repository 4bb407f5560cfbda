"""Which heap a run belongs to."""

from experiments.results.sorting import sort
from tests.experiments.results.recorded import recorded, sweep_run, trial


def test_every_run_is_in_one_heap() -> None:
    parent = sweep_run(run_id="s" * 32)
    runs = [
        recorded(0.6),
        parent,
        trial(1, 0.5, parent.run_id),
        trial(2, 0.4, parent.run_id, tags={"sweep.pruned": "below the median"}),
        recorded(status="RUNNING"),
        recorded(status="FAILED"),
        recorded(status="KILLED"),
        recorded(model__name=None),
        recorded(model__name=None, tags={"multirun.jobs": "2"}),
    ]
    heaps = sort(runs)
    assert heaps.trainings == (runs[0],)
    assert heaps.trials == (runs[2],)
    assert heaps.pruned == (runs[3],)
    assert heaps.going_on == (runs[4],)
    assert heaps.failed == (runs[5], runs[6])
    assert (heaps.multiruns, heaps.others) == (1, 1)
    (sweep,) = heaps.sweeps
    assert (sweep.name, sweep.run, sweep.trials) == ("optimizers", parent, (runs[2], runs[3]))


def test_the_trainings_that_a_sweep_ends_with_are_trainings_and_no_trials() -> None:
    final = recorded(0.6, parent="s" * 32, tags={"sweep": "optimizers", "sweep.final": "1"})
    assert sort([final]).trainings == (final,)
    assert sort([final]).sweeps == ()


def test_trials_of_a_sweep_whose_own_run_was_deleted_are_still_one_sweep() -> None:
    (sweep,) = sort([trial(1, 0.5, "s" * 32), trial(2, 0.6, "s" * 32)]).sweeps
    assert (sweep.name, sweep.run, len(sweep.trials)) == ("optimizers", None, 2)


def test_a_sweep_and_a_multirun_that_go_on_are_told_of() -> None:
    runs = [sweep_run(status="RUNNING"), recorded(status="RUNNING", model__name=None, tags={"multirun.jobs": "3"})]
    assert sort(runs).going_on == tuple(runs)


def test_nothing_is_in_no_heap() -> None:
    heaps = sort([])
    assert (heaps.trainings, heaps.sweeps, heaps.others) == ((), (), 0)
