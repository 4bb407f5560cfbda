"""The page as a file; how a browser takes it is in tests/experiments/test_report.py."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np

from cifar.evaluation import evaluate
from experiments.results.overview import Overview, look_at
from experiments.results.page.charts import confusion_chart
from experiments.results.page.classes import Classes, Seen
from experiments.results.page.file import GENERATOR, HEAD
from experiments.results.page.look import Chart
from experiments.results.page.render import MOST_GROUPS, Made, render
from experiments.tracking.config import TrackingConfig
from experiments.tracking.reading import RecordedRun
from tests.experiments.results.recorded import recorded, sweep_run, trial

MADE = Made("2026-01-01 00:00 UTC", "sqlite:///mlflow.db", "python -m experiments.report", "0123456789")
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def overview(*runs: RecordedRun, everything: bool = False) -> Overview:
    return look_at(runs, TrackingConfig(uri="sqlite:///none.db"), everything)


def page(*runs: RecordedRun, charts: dict[str, Chart] | None = None, everything: bool = False) -> str:
    return render(overview(*runs, everything=everything), charts or {}, Classes(), MADE, everything)


class Elements(HTMLParser):
    """The names of all elements, and the addresses that they name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def test_a_page_says_first_what_made_it() -> None:
    assert GENERATOR.encode() in page().encode()[:HEAD]


def test_a_page_without_trainings_says_so() -> None:
    text = page()
    assert "no finished training yet" in text
    assert "python -m experiments.run experiment=seed_model1" in text
    assert "<script" not in text


def test_numbers_are_on_the_page() -> None:
    text = page(*(recorded(0.6 + s / 100, 0.5, seed=s, metrics={"parameters": 181_162.0}) for s in range(3)))
    assert "from 3 runs of sqlite:///mlflow.db" in text
    for told in ("61.00 \N{PLUS-MINUS SIGN} 1.00", "58.52 to 63.48", "181,162", "63.05", "71.91", "72.04"):
        assert told in text
    assert "seed 1: 61.00, 50.00" in text


def test_whatever_a_run_says_of_itself_is_text() -> None:
    sweep = sweep_run(run_id="s" * 32, name=HOSTILE, tags={"error": HOSTILE})
    hostile = recorded(
        0.6,
        0.5,
        name=HOSTILE,
        tags={"command": HOSTILE, "device": HOSTILE, "mlflow.source.git.commit": HOSTILE},
        model__name=HOSTILE,
        data__name=HOSTILE,
        seed=HOSTILE,
    )
    broken = recorded(status="FAILED", name=HOSTILE, tags={"error": HOSTILE})
    seen = [Seen(hostile, evaluate(np.eye(10)[[0]], [0]))]
    runs = overview(hostile, broken, sweep, trial(1, 0.5, sweep.run_id))
    charts = {"confusion 1": confusion_chart(seen[0].answers), HOSTILE: {"data": [], "layout": {"title": HOSTILE}}}
    text = render(runs, charts, Classes(seen), MADE)
    found = Elements(text)
    assert found.names.count("script") == 3  # the charts, Plotly and our own
    assert "img" not in found.names
    assert found.handlers == []
    assert "alert('x')</script>" not in text


def test_the_page_names_no_address_and_allows_none() -> None:
    text = page(recorded(0.6), charts={"loss": {"data": [], "layout": {}}})
    assert Elements(text).addresses == ["data:,"]
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0]
    assert policy.startswith("default-src 'none'; img-src data: blob:;")
    assert "http" not in policy


def test_only_the_pages_own_scripts_are_allowed() -> None:
    text = page(recorded(0.6), charts={"loss": {"data": [], "layout": {}}})
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in text
    assert "script-src 'sha256-" in text


def test_many_groups_are_cut_unless_all_are_asked_for() -> None:
    runs = [recorded(0.5, optimizer__learning_rate=n) for n in range(MOST_GROUPS + 7)]
    assert "and 7 more" in page(*runs)
    assert "and 7 more" not in page(*runs, everything=True)


def test_a_sweep_that_has_nothing_to_show_is_one_line() -> None:
    text = page(sweep_run(run_id="s" * 32), trial(1, None, "s" * 32, status="FAILED"))
    assert "optimizers: 1 trial (1 failed), nothing to show yet." in text


def test_what_a_server_does_not_give_out_is_said_on_the_page() -> None:
    served = replace(sweep_run(run_id="5" * 32), artifact_uri="mlflow-artifacts:/1/a/artifacts")
    found = overview(served, trial(1, 0.5, "5" * 32))
    text = render(found, {}, Classes(missing="answers of nobody"), MADE)
    assert "Verdict and pictures are not all here: run 55555555: its files are kept by a server" in text
    assert "No verdict was found" not in text
    assert "Not to be had: answers of nobody." in text
