"""What the runs of a store say, as a user would ask for it, and the page as a browser shows it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks.many_runs import BEGAN, fill
from cifar.evaluation import evaluate, save_predictions
from experiments.report import main
from tests.experiments.results.test_sweep_summary import VERDICT
from tests.services import chromium

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<script>document.title='taken'</script>"


def add_run(database: sqlite3.Connection, run_id: str, status: str = "FINISHED", **more: dict[str, Any]) -> None:
    """A run of any kind; `params`, `tags` and `metrics` by their names."""
    (experiment,) = database.execute("SELECT experiment_id FROM experiments WHERE name = 'cifar10'").fetchone()
    row = (run_id, HOSTILE, status, BEGAN, "active", f"mlruns/cifar10/{run_id}/artifacts", experiment, "UNKNOWN", "")
    columns = "run_uuid, name, status, start_time, lifecycle_stage, artifact_uri, experiment_id, source_type, user_id"
    database.execute(f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    for table in ("params", "tags"):
        rows = [(key, value, run_id) for key, value in more.get(table, {}).items()]
        database.executemany(f"INSERT INTO {table} (key, value, run_uuid) VALUES (?, ?, ?)", rows)
    measured = [(key, value, BEGAN, run_id, 1, 0) for key, value in more.get("metrics", {}).items()]
    database.executemany(
        "INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)", measured
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Path:
    """A working folder with trainings of three networks, a sweep, and runs of every other kind."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(made_database, folder / "mlflow.db")
    fill(folder / "mlflow.db", runs=30, epochs=6)
    sweep = {"mlflow.parentRunId": "f" * 32, "sweep": HOSTILE, "sweep.trial": "1"}
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        add_run(database, "f" * 32, params={"sweep.space": "optimizers", "model.name": "model1"})
        add_run(database, "e" * 32, params={"model.name": "model1"}, tags=sweep, metrics={"best_val_accuracy": 0.5})
        add_run(database, "d" * 32, "RUNNING", params={"model.name": "model1"})
        add_run(database, "c" * 32, "FAILED", params={"model.name": "model1"}, tags={"error": HOSTILE})
        add_run(database, "b" * 32, params={"somebody": "else's"})
        add_run(database, "a" * 32, params={"model.name": "model1"})  # of a version that recorded nothing else
        add_run(database, "9" * 32, params={"model.name": "deleted"})
        database.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", ["9" * 32])
        first = [row[0] for row in database.execute("SELECT run_uuid FROM runs WHERE name LIKE 'model_-%-seed0'")]
        database.commit()
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 20)
    for run_id in first:
        predicted = np.where(rng.random(200) < 0.6, labels, rng.integers(0, 10, 200))
        place = folder / "mlruns" / "cifar10" / run_id / "artifacts" / "predictions"
        place.mkdir(parents=True)
        save_predictions(place / "test_predictions.npz", evaluate(np.eye(10)[predicted], labels))
    kept = folder / "mlruns" / "cifar10" / ("f" * 32) / "artifacts"
    (kept / "figures").mkdir(parents=True)
    Figure(figsize=(2, 1)).savefig(kept / "figures" / "best_so_far.png")
    (kept / "verdict.json").write_text(json.dumps(VERDICT))
    return folder


@pytest.fixture
def here(home: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def test_a_store_with_runs_of_every_kind_is_told_of(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-html"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "31 finished trainings in 7 different settings, and 1 sweep of 1 trial." in told
    assert "1 run going on" in told
    assert "1 run failed or stopped" in told
    assert "1 run of other projects" in told
    assert "the winner is better by 1.72 points" in told.lower()
    assert "deleted" not in told
    assert not (here / "report.html").exists()


def test_a_filter_says_which_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["params.model.name = 'model2'", "--no-html"]) == 0
    assert "10 finished trainings in 2 different settings." in capsys.readouterr().out
    assert main(["params.model.name = 'model9'", "--no-html"]) == 0
    assert capsys.readouterr().out == "no runs where params.model.name = 'model9'\n"


def test_trials_are_listed_if_all_is_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--all", "--no-html"]) == 0
    assert "32 finished trainings" in " ".join(capsys.readouterr().out.split())


def test_without_a_store_it_says_how_to_make_a_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == "no runs yet. Make one: python -m experiments.run\n"
    assert list(project.iterdir()) == []


def test_a_database_that_the_environment_names_has_to_be_there(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///typo.db")
    assert main([]) == 2
    assert capsys.readouterr() == ("", "error: sqlite:///typo.db: there is no such database\n")


def test_a_filter_that_cannot_be_read_is_refused_where_there_are_no_runs_too(
    project: Path, made_database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in ("no store", "an empty one"):
        assert main(["params.model.name = 'model1'"]) == 0
        assert capsys.readouterr().out == "no runs where params.model.name = 'model1'\n"
        assert main(["zzz"]) == 2
        assert capsys.readouterr().err.startswith("error: runs where zzz: ")
        shutil.copy(made_database, project / "mlflow.db")


def test_an_empty_store_is_no_error(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "no runs yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["--htm", "x"], "unrecognized arguments"),
        (["a", "b"], "unrecognized arguments: b"),
        (["--uri", "sqlite:///broken.db"], "broken.db"),
        (["--uri", "sqlite:///typo.db"], "sqlite:///typo.db: there is no such database"),
        (["what is this", "--no-html"], "runs where what is this"),
        (["--html", "notes.html"], "is there already, and is no report: name another file"),
        (["--html", "/proc/none/report.html"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    here: Path, typed: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "broken.db").write_text("no database, but long enough to be looked at")
    (here / "notes.html").write_text("mine")
    assert main(typed) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert told in shown.err
    assert (here / "notes.html").read_text() == "mine"


def test_its_help_says_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "ties shown" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_traceback(here: Path) -> None:
    command = [sys.executable, "-m", "experiments.report", "--no-html"]
    with subprocess.Popen(
        command, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


# --- the page in a browser ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("page") / "report.html"
    assert main(["--uri", f"sqlite:///{home}/mlflow.db", "--html", str(page)]) == 0
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Page]:
    if chromium.program() is None:
        pytest.skip(f"LEFT OUT, the page of a report is not tested in a browser: {chromium.MISSING}")
    with chromium.opened() as page:
        yield page


DRAWN = """[...document.querySelectorAll('[data-chart]')].map(place => [
    place.dataset.chart, place.querySelectorAll('.scatterlayer .trace, .heatmaplayer image').length,
    Math.round(place.querySelector('.main-svg').getBoundingClientRect().right) <= innerWidth])"""
COLORS = """[getComputedStyle(document.body).backgroundColor,
    getComputedStyle(document.querySelector('.main-svg .xtick text')).fill]"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_without_a_word_to_the_console_or_the_network(
    browser: chromium.Page, report: Path, scheme: str, width: int
) -> None:
    browser.look(scheme, width)
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(report)
    drawn = browser.value(DRAWN)
    names = ["accuracy", "loss", "time", "parameters", "confusion 1", "confusion 2", "confusion 3"]
    assert [name for name, _, _ in drawn] == names
    assert all(marks > 0 and fits for _, marks, fits in drawn), drawn
    assert browser.complaints == []
    assert [address for address in browser.requests if not address.startswith("data:")] == [report.as_uri()]
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    dark = [["rgb(255, 255, 255)", "rgb(28, 30, 33)"], ["rgb(21, 24, 28)", "rgb(230, 232, 235)"]]
    assert browser.value(COLORS) == dark[scheme == "dark"]


def test_a_hostile_name_does_nothing_but_be_read(browser: chromium.Page, report: Path) -> None:
    browser.open(report)
    assert browser.value("document.title") == "What the runs say"
    assert HOSTILE in browser.value("document.body.innerText")


def test_a_chart_says_more_under_the_pointer(browser: chromium.Page, report: Path) -> None:
    browser.look()
    browser.open(report)
    browser.value("document.querySelector('[data-chart=accuracy]').scrollIntoView()")
    x, y = browser.value("""(() => { const box = document.querySelector('[data-chart=accuracy] .nsewdrag')
        .getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()""")
    for offset in (0, 1):
        browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x + offset, y=y)
    told = browser.value("""new Promise(done => setTimeout(() => done(
        document.querySelector('[data-chart=accuracy] .hoverlayer').textContent), 300))""")
    assert "epoch" in told


def test_on_paper_nothing_is_cut_and_the_ground_is_white(browser: chromium.Page, report: Path) -> None:
    browser.look("dark")
    browser.open(report)
    # What printing does, so that it can be looked at: A4 has 695 pixels between its margins.
    size = {"width": 695, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.ask("Emulation.setDeviceMetricsOverride", **size)
    browser.ask("Emulation.setEmulatedMedia", media="print")
    browser.value("dispatchEvent(new Event('beforeprint'))")
    assert all(fits for _, _, fits in browser.value(DRAWN))
    assert browser.value(COLORS) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert browser.value("document.documentElement.scrollWidth") <= 695
    browser.value("dispatchEvent(new Event('afterprint'))")
    paper = browser.pdf()
    assert paper.startswith(b"%PDF-")
    assert paper.count(b"/Type /Page\n") >= 2
    browser.ask("Emulation.setEmulatedMedia", media="")


def test_a_page_without_charts_needs_no_script(
    browser: chromium.Page, tmp_path: Path, made_database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(made_database, tmp_path / "mlflow.db")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        add_run(database, "d" * 32, "RUNNING", params={"model.name": "model1"})
        database.commit()
    page = tmp_path / "report.html"
    assert main(["--uri", f"sqlite:///{tmp_path}/mlflow.db", "--html", str(page)]) == 0
    assert page.stat().st_size < 50_000
    browser.complaints.clear()
    browser.open(page)
    assert browser.complaints == []
