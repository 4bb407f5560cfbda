"""A report as a terminal shows it."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from experiments.results.overview import look_at
from experiments.results.report_text import MOST, as_text
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import RecordedRun
from tests.experiments.results.recorded import recorded, sweep_run, trial

S = "s" * 32


def shown(*runs: RecordedRun, everything: bool = False, width: int = 120) -> str:
    console = Console(file=StringIO(), width=width)
    for part in as_text(look_at(runs, TrackingConfig(uri="sqlite:///none.db"), everything), everything):
        console.print(part)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_tie_is_shown_as_a_tie() -> None:
    text = shown(recorded(0.60), recorded(0.595, optimizer__name="adam"), recorded(0.5, optimizer__name="lion"))
    rows = [line.split()[:3] for line in text.splitlines() if "learning_rate=" in line and "model1" in line[:12]]
    assert rows == [["=1", "model1", "sgd"], ["=1", "model1", "adam"], ["3", "model1", "lion"]]
    assert "Ranked by the validation accuracy" in text


def test_a_row_has_scores_intervals_time_size_and_looks() -> None:
    measured = {"training_seconds": 65.0, "parameters": 181_162.0}
    text = shown(*(recorded(0.6 + s / 100, 0.5, seed=s, metrics=measured) for s in range(3)))
    row = next(line for line in text.splitlines() if line.startswith("1 "))
    plus_minus = "\N{PLUS-MINUS SIGN}"
    assert " ".join(row.split()[4:]) == f"3 61.00 {plus_minus} 1.00 50.00 {plus_minus} 0.00 1 min 5 s 3"
    assert " ".join(text.splitlines()[text.splitlines().index(row) + 1].split()) == (
        "58.52 to 63.48 50.00 to 50.00 181,162"
    )


def test_in_80_columns_an_interval_stays_in_one_line() -> None:
    metrics = {"training_seconds": 4000.0, "parameters": 4_210_090.0}
    runs = [recorded(0.6 + s / 100, 0.5 + s / 100, seed=s, metrics=metrics) for s in range(3)]
    lines = shown(*runs, width=80).splitlines()
    assert [line for line in lines if "58.52 to 63.48  48.52 to 53.48  4,210,090" in line]
    assert max(map(len, lines)) <= 80


def test_a_sweep_is_one_line() -> None:
    trials = [trial(1, 0.5, S), trial(2, 0.6, S, tags={"sweep.pruned": "low"}), trial(3, None, S, status="FAILED")]
    text = shown(sweep_run(run_id=S), *trials)
    assert "sweep optimizers: 3 trials (1 pruned, 1 failed), the best 0002-model1 with val_accuracy 60.00 %." in text
    assert "low" not in text
    assert "low" in shown(sweep_run(run_id=S), *trials, everything=True)


def test_many_groups_are_cut_unless_all_are_asked_for() -> None:
    runs = [recorded(0.5, optimizer__learning_rate=n) for n in range(MOST + 5)]
    assert "and 5 more: --all shows them" in shown(*runs)
    assert "more: --all" not in shown(*runs, everything=True)


def test_markup_in_a_name_is_text() -> None:
    assert "[bold]x[/nope]" in shown(recorded(status="RUNNING", name="[bold]x[/nope]"))


def test_made_up_images_have_a_table_of_their_own() -> None:
    assert "data: sample" in shown(recorded(0.9, data__name="sample"))
