"""Who sweeps: both sides are held to the same settings."""

import json
from pathlib import Path

import pytest

from benchmarks import contenders, machine
from benchmarks.contenders import CONTENDERS, PlainScript, UnequalWorkError, pass_of
from benchmarks.our_sweep import draw_settings, typed
from benchmarks.processes import Ended
from benchmarks.trials import SEARCH, SweepTask
from experiments.search.driver import drive
from experiments.search.ledger import open_ledger, read_ledger
from experiments.search.workers import Here, Job, Outcome
from experiments.sweepline import read_line

TASK = SweepTask()
FEW = SweepTask(trials=3, images=64, epochs=2, data="sample")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of FEW, begun by what the benchmark types; training is left out, and the second trial fails."""

    def train(job: Job) -> Outcome:
        if job.trial.number == 2:
            raise ArithmeticError("as asked")
        return Outcome(job.trial.number / 10, (job.trial.number / 10,))

    folder = tmp_path_factory.mktemp("few")
    line = read_line(typed(FEW, folder / "conf"))
    with open_ledger(folder / "sweep") as ledger:
        ledger.begin(line.sweep("try", {}), line.limits())
        drive(ledger, Here(train))
    return folder / "sweep"


def test_sixteen_different_settings_are_drawn_and_always_the_same_ones() -> None:
    settings = draw_settings(TASK)
    assert len({tuple(setting.items()) for setting in settings}) == 16
    assert draw_settings(TASK) == settings
    assert draw_settings(FEW) == settings[:3]
    for setting in settings:
        for key, told in SEARCH.items():
            assert told["low"] <= setting[key.rpartition(".")[2]] <= told["high"]


def test_this_project_s_sweep_tries_the_settings_that_were_drawn(folder: Path) -> None:
    made = pass_of(read_ledger(folder), 12.5, draw_settings(FEW))
    assert (made.seconds, made.finished, made.best_val_accuracy) == (12.5, 2, 0.3)


def test_a_sweep_of_other_settings_is_no_contender(folder: Path) -> None:
    with pytest.raises(UnequalWorkError):
        pass_of(read_ledger(folder), 12.5, draw_settings(FEW)[:2])


def test_what_is_typed_trains_on_the_images_of_the_task(tmp_path: Path) -> None:
    line = read_line(typed(TASK, tmp_path))
    config = line.plan.bases[0].tree
    assert (config["model"]["name"], config["optimizer"]["name"]) == ("model1", "rmsprop")
    assert (config["training"]["epochs"], config["training"]["batch_size"]) == (3, 32)
    assert (config["data"]["train_size"], config["data"]["validation_size"]) == (8000, 5000)
    assert line.tracking.enabled
    limits = line.limits()
    assert (limits.max_trials, limits.final_seeds, limits.reuse) == (16, 0, False)


def test_the_second_of_ours_is_one_process_with_all_cores(tmp_path: Path) -> None:
    line = read_line([*typed(TASK, tmp_path), *CONTENDERS["one_process"].more])
    assert line.workers.count == 1
    assert line.plan.bases[0].tree["compute"]["threads"] == machine.cores()
    assert read_line(typed(TASK, tmp_path)).workers.count is None


def test_a_peer_s_script_is_given_the_settings_and_asked_what_it_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = draw_settings(FEW)

    def run(module: str, arguments: list[str], folder: str, environment: dict[str, str]) -> Ended:
        assert module == "benchmarks.plain_tuner"
        told = json.loads(Path(folder, arguments[0]).read_text())
        assert SweepTask(**told["task"]) == FEW
        assert told["steps_per_execution"] == 50
        assert environment["TF_ENABLE_ONEDNN_OPTS"] == "1"  # as whoever tunes it has it
        found = {"tried": told["settings"], "finished": 3, "best_val_accuracy": 0.25}
        Path(folder, arguments[1]).write_text(json.dumps(found))
        return Ended(7.5, 100)

    monkeypatch.setattr(contenders, "run_to_end", run)
    assert PlainScript("benchmarks.plain_tuner", 50).sweep(FEW, settings) == contenders.Pass(7.5, 3, 0.25)
    assert PlainScript("benchmarks.plain_tuner").environment == {}
