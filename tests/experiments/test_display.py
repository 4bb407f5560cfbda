from __future__ import annotations

import io
import logging
import os
import pty
import sys
from contextlib import AbstractContextManager, redirect_stdout

import pytest
from rich.console import Console

from cifar.config import DataConfig, RunConfig, TrainingConfig
from experiments.display import TrainingDisplay, duration, epoch_line, heard_or_not, say

CONFIG = RunConfig(
    data=DataConfig(name="sample", train_size=64, validation_size=20), training=TrainingConfig(epochs=12)
)
METRICS = {"loss": 1.23456, "accuracy": 0.5, "images_per_second": 12345.6, "seconds": 10.0}
VALIDATED = METRICS | {"val_loss": 2.0, "val_accuracy": 0.07}


def console(terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, soft_wrap=True)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3599.6, "1 h 0 min"),
        (3780, "1 h 3 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_seconds_are_said_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_epoch_is_one_line() -> None:
    assert epoch_line(3, 12, METRICS, 90) == (
        "epoch  3/12  loss 1.2346  accuracy 50.00%  12,346 images/s  1 min 30 s left"
    )
    assert epoch_line(12, 12, VALIDATED, 0) == (
        "epoch 12/12  loss 1.2346  accuracy 50.00%  val_loss 2.0000  val_accuracy  7.00%  12,346 images/s"
    )


def test_what_is_said_holds_no_password(caplog: pytest.LogCaptureFixture) -> None:
    out = console()
    with caplog.at_level(logging.INFO, "experiments"):
        say(out, "job 1 of 2: tracking.uri=https://me:canary@host")
    assert shown(out) == "job 1 of 2: tracking.uri=https://***@host\n"
    assert "canary" not in caplog.text


def test_what_is_said_is_in_the_log_too_and_brackets_are_no_markup(caplog: pytest.LogCaptureFixture) -> None:
    out = console()
    with caplog.at_level(logging.INFO, "experiments"):
        say(out, "[red]100 %[/red] " + "x" * 200)
    assert shown(out) == "[red]100 %[/red] " + "x" * 200 + "\n"
    assert caplog.messages == ["[red]100 %[/red] " + "x" * 200]


def show_two_epochs(display: TrainingDisplay) -> None:
    with display:
        for epoch in (1, 2):
            for step in (1, 2):
                display.on_step(epoch, step)
            display.on_epoch(epoch, VALIDATED)


@pytest.mark.parametrize(("terminal", "live"), [(False, True), (True, False)])
def test_without_a_terminal_of_its_own_it_prints_lines_only(terminal: bool, live: bool) -> None:
    out = console(terminal)
    show_two_epochs(TrainingDisplay(CONFIG, out, live))
    first, second = shown(out).splitlines()
    assert first == epoch_line(1, 12, VALIDATED, 110)
    assert second == epoch_line(2, 12, VALIDATED, 100)


def test_on_a_terminal_a_bar_moves_and_goes_and_the_lines_stay() -> None:
    out = console(terminal=True)
    show_two_epochs(TrainingDisplay(CONFIG, out))
    text = shown(out)
    assert epoch_line(1, 12, VALIDATED, 110) in text
    assert "epoch 1/12" in text
    assert "images/s" in text
    assert text.endswith("\x1b[2K"), "the bar has to be wiped at the end"


def test_a_training_that_goes_on_says_after_which_epoch_and_what_was_damaged() -> None:
    out = console()
    with TrainingDisplay(CONFIG, out) as display:
        display.on_resume([VALIDATED, VALIDATED], ["epoch-0003 is damaged; going back to epoch 2"])
    assert shown(out).splitlines() == [
        "warning: epoch-0003 is damaged; going back to epoch 2",
        "going on after epoch 2 of 12",
    ]


def test_on_a_terminal_the_bar_goes_on_too() -> None:
    out = console(terminal=True)
    with TrainingDisplay(CONFIG, out) as display:
        display.on_resume([VALIDATED, VALIDATED], [])
        display.on_step(3, 1)
    assert "epoch 3/12" in shown(out)


def test_an_error_ends_the_bar() -> None:
    out = console(terminal=True)
    with pytest.raises(KeyboardInterrupt), TrainingDisplay(CONFIG, out):
        raise KeyboardInterrupt
    assert shown(out).endswith("\x1b[2K")
    assert "\x1b[?25h" in shown(out), "the cursor has to be visible again"


def test_lines_that_nobody_reads_any_more_end_nothing_and_are_in_the_log(
    unread: AbstractContextManager[None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "experiments"), unread, heard_or_not():
        show_two_epochs(TrainingDisplay(CONFIG, Console(soft_wrap=True)))
        print("and a line of another kind")
    assert caplog.messages == [epoch_line(epoch, 12, VALIDATED, 10.0 * (12 - epoch)) for epoch in (1, 2)]


def test_a_terminal_that_is_closed_ends_nothing() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, redirect_stdout(terminal), heard_or_not():  # noqa: PTH123
        with TrainingDisplay(CONFIG, Console(soft_wrap=True)) as display:
            display.on_step(1, 1)
            os.close(ours)
            display.on_epoch(1, VALIDATED)
        print("and a line of another kind")
    assert terminal.closed


def test_what_is_read_is_left_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with heard_or_not():
        print("a line")
        sys.stdout.close()  # as TensorFlow's log does with what is not Python's own
    print("another")
    assert sys.stdout is before
    assert capfd.readouterr().out == "a line\nanother\n"
