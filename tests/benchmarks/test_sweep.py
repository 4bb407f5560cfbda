"""The command, with contenders that only say how long they took."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks import command, driver, machine, sweep
from benchmarks.contenders import Pass
from benchmarks.sweep_report import NAMES
from benchmarks.trials import Setting, SweepTask

TINY = ["--data", "sample", "--trials", "2", "--images", "64", "--repeats", "2", "--busy-ok"]


@dataclass
class Told:
    """Takes as long as it was told to in each round."""

    seconds: list[float]
    asked: list[tuple[SweepTask, list[Setting]]] = field(default_factory=list)

    def sweep(self, task: SweepTask, settings: list[Setting]) -> Pass:
        self.asked.append((task, settings))
        return Pass(self.seconds[len(self.asked) - 1], task.trials, 0.25)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Told]:
    monkeypatch.setattr(machine, "look", lambda: {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.0})
    monkeypatch.setattr(driver, "measure", lambda: pytest.fail("the driver was to be left out"))
    known = {
        "workers": Told([10.0, 20.0]),
        "one_process": Told([12.0, 22.0]),
        "keras_tuner": Told([30.0, 30.0]),
        "keras_tuner_50": Told([20.0, 24.0]),
        "optuna": Told([25.0, 25.0]),
    }
    monkeypatch.setattr(command, "find_spec", lambda package: package)
    monkeypatch.setattr(sweep, "CONTENDERS", known)
    return known


def test_all_contenders_are_given_the_same_settings_and_the_results_are_kept(
    told: dict[str, Told], tmp_path: Path
) -> None:
    path = tmp_path / "results" / "sweep.json"
    assert sweep.main([*TINY, "--skip", "warm_up,driver", "--json", str(path)]) == 0
    results = json.loads(path.read_text())
    asked = [ask for one in told.values() for ask in one.asked]
    assert asked == [(SweepTask(2, 64, 3, "sample"), results["settings"])] * 10
    assert results["contenders"]["workers"]["seconds"] == [10.0, 20.0]
    assert results["over_default"]["keras_tuner"] == {"median": 2.25, "min": 1.5, "max": 3.0}
    assert len(results["others_cpu"]) == 2
    assert {"cpu", "cores"} <= results["machine"].keys()
    assert {"keras-tuner", "mlflow", "distributed"} <= results["versions"].keys()
    table = path.with_suffix(".md").read_text()
    assert all(f"| {name} |" in table for name in NAMES.values())
    assert "Reached: the faster of both is at least 2 times as fast as keras-tuner (the goal): 2.25 (1.50" in table


def test_optuna_is_left_out_aloud_where_it_is_not_installed(
    told: dict[str, Told], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda package: None)
    path = tmp_path / "sweep.json"
    assert sweep.main([*TINY, "--skip", "warm_up,driver", "--json", str(path)]) == 0
    assert "optuna IS LEFT OUT" in capsys.readouterr().out
    assert told["optuna"].asked == []
    assert "NOT MEASURED: optuna (optuna is not installed" in path.with_suffix(".md").read_text()


def test_everybody_warms_up_on_a_sweep_of_one_trial(told: dict[str, Told]) -> None:
    settings = [{"learning_rate": 0.001}]
    sweep.warm_up(["workers", "keras_tuner"], settings, sweep.Console(quiet=True))
    assert told["workers"].asked == told["keras_tuner"].asked == [(sweep.WARM_UP, settings)]
    assert told["one_process"].asked == []
    assert sweep.WARM_UP.trials == 1


def test_the_driver_s_own_time_is_part_of_the_results(
    told: dict[str, Told], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken = {"random": {"median": 20.0, "min": 10.0, "max": 30.0}}
    found = {"trials_before": 1000, "trials_measured": 50, "milliseconds": taken}
    monkeypatch.setattr(driver, "measure", lambda: found)
    assert sweep.main([*TINY, "--skip", "warm_up", "--peers", "workers", "--json", str(tmp_path / "try.json")]) == 0
    results = json.loads((tmp_path / "try.json").read_text())
    assert results["driver"] == found
    assert [goal["reached"] for goal in results["goals"]] == [True]


def test_a_busy_machine_gets_no_figures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine, "look", lambda: {"load_average": [9.0, 9.0, 9.0], "others_cpu": 0.9})
    assert sweep.main(["--trials", "2"]) == 2
    assert "busy" in capsys.readouterr().err


def test_a_contender_that_fails_ends_the_command_with_what_it_said(
    told: dict[str, Told], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(task: SweepTask, settings: list[Setting]) -> Pass:
        raise RuntimeError("exit code 1\nout of memory")

    monkeypatch.setattr(told["keras_tuner"], "sweep", fail)
    assert sweep.main([*TINY, "--skip", "warm_up,driver"]) == 1
    assert "out of memory" in capsys.readouterr().err


def test_more_images_than_there_are_are_refused_before_anything_is_timed(
    told: dict[str, Told], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep.main(["--data", "sample", "--images", "1999", "--busy-ok"]) == 1
    assert "train_size" in capsys.readouterr().err
    assert told["workers"].asked == []


def test_made_up_images_do_not_overwrite_the_results_that_are_kept() -> None:
    assert sweep.parse(TINY).json is None
    assert sweep.parse([]).json == sweep.RESULTS


@pytest.mark.parametrize("wrong", [["--peers", "hyperopt"], ["--trials", "0"], ["--skip", "lunch"], ["--epochs", "x"]])
def test_a_wrong_option_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        sweep.parse(wrong)
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_an_epoch_is_a_whole_number_of_calls_of_fifty_steps() -> None:
    assert SweepTask().images % (50 * 32) == 0
    assert sweep.parse([]).epochs == SweepTask().epochs
