"""What a person reads of a leaderboard, in a terminal and in a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from experiments.results.leaderboard import FinishedRun, Leaderboard, build_leaderboard
from experiments.results.tables import as_markdown, as_table


def run(
    name: str, status: str = "FINISHED", error: str | None = None, scores: str = "", **params: object
) -> FinishedRun:
    """A run of model `name`; `scores` is "validation test" in percent, `params` are of the optimizer but for seed."""
    config = {key if key == "seed" else f"optimizer.{key}": str(value) for key, value in params.items()}
    metrics = dict(zip(("val_accuracy", "test_accuracy"), (float(s) / 100 for s in scores.split()), strict=False))
    return FinishedRun("0" * 32, f"{name}-run", status, {"model.name": name} | config, metrics, error)


def printed(board: Leaderboard, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(as_table(board))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


@pytest.fixture
def board() -> Leaderboard:
    return build_leaderboard(
        [
            run("model1", scores="62 61", seed=1),
            run("model1", scores="64 62", seed=2),
            run("model2", scores="72.125 71", seed=1),
            FinishedRun("id", "whole", "FINISHED", {"model.name": "model3", "seed": "1"}, {"test_accuracy": 0.99}),
            run("model3", "FAILED", "no space [Errno 28]\nleft [/red]", seed=1),
        ]
    )


def test_the_terminal_shows_ranks_means_deviations_and_failures(board: Leaderboard) -> None:
    assert printed(board).splitlines() == [
        "#  model   n  val_accuracy %  test_accuracy %",
        "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * 45,
        "1  model2  1  72.12           71.00",
        "2  model1  2  63.00 ± 1.41    61.50 ± 0.71",
        "-  model3  1  -               99.00",
        "Ranked by val_accuracy, never by test. -: no val_accuracy, not ranked. Mean ±",
        "sample deviation over n seeds.",
        "",
        "not finished  status  error, settings",
        "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * 53,
        "model3-run    FAILED  no space [Errno 28] left [/red]",
        "                      model=model3 seed=1",
    ]


def test_markdown_shows_dotted_keys_and_the_runs(board: Leaderboard) -> None:
    lines = as_markdown(board).splitlines()
    assert lines[4:9] == [
        "| #   | model.name | n   | val_accuracy % | test_accuracy % | runs                   |",
        "| --- | ---------- | --- | -------------- | --------------- | ---------------------- |",
        "| 1   | model2     | 1   | 72.12          | 71.00           | model2-run             |",
        "| 2   | model1     | 2   | 63.00 ± 1.41   | 61.50 ± 0.71    | model1-run, model1-run |",
        "| -   | model3     | 1   | -              | 99.00           | whole                  |",
    ]
    assert lines[-1] == "| model3-run | FAILED | no space [Errno 28] left [/red] | model=model3 seed=1 |"


def test_a_bar_in_a_name_does_not_break_the_markdown() -> None:
    assert r"a\|b" in as_markdown(build_leaderboard([run("a|b", scores="1"), run("c", scores="2")]))


def test_an_empty_store_says_so() -> None:
    assert printed(build_leaderboard([])) == "No runs."
    assert as_markdown(build_leaderboard([])) == "# Leaderboard\n\nNo runs.\n"


def test_only_failures_are_a_table_too() -> None:
    board = build_leaderboard([run("model1", "KILLED")])
    assert printed(board).startswith("not finished  status")
    assert "KILLED" in as_markdown(board)


def test_without_test_scores_there_is_no_column_of_them() -> None:
    assert "test_accuracy" not in printed(build_leaderboard([run("model1", scores="60")]))


def test_without_repeats_nothing_is_said_of_deviations() -> None:
    assert "deviation" not in printed(build_leaderboard([run("model1", scores="60 61")]))


def test_fractions_are_short_and_whole_numbers_whole() -> None:
    shown = printed(
        build_leaderboard(
            [run("m", scores="60", learning_rate=0.00039810717, big=123456), run("m", scores="50", learning_rate=1e-7)]
        )
    )
    assert "0.0003981" in shown
    assert "1e-07" in shown
    assert "123456" in shown


def test_a_loss_is_shown_in_nats_not_percent() -> None:
    runs = [FinishedRun("i", "n", "FINISHED", {}, {"val_loss": 1.08414})]
    assert "1.0841" in printed(build_leaderboard(runs, "val_loss"))


@pytest.mark.parametrize("width", [80, 120])
def test_many_params_fit_the_terminal_and_none_is_lost(width: int) -> None:
    more = {"momentum": 0.95, "nesterov": True, "weight_decay": 0.004, "global_clipnorm": 1.5}
    params = {"optimizer.name": "sgd", "optimizer.learning_rate": "0.012345678"}
    params |= {f"optimizer.{key}": str(value) for key, value in more.items()}
    scores = {"val_accuracy": 0.7, "test_accuracy": 0.69}
    runs = [
        FinishedRun("1", "a", "FINISHED", params | {"model.name": "model3"}, scores),
        FinishedRun("2", "b", "FINISHED", {"model.name": "model3", "optimizer.name": "sgd"}, scores),
        FinishedRun("3", "c", "FINISHED", {"model.name": "model1", "optimizer.name": "rmsprop"}, scores),
    ]
    shown = printed(build_leaderboard(runs), width)
    assert all(len(line) <= width for line in shown.splitlines())
    assert "model3  sgd        0.01235        1  70.00           69.00" in shown
    assert all(f"{key}={value}" in shown for key, value in more.items())
