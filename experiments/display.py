"""What a person sees of a training while it runs; the same lines go to the log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import TracebackType
from typing import Any, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from cifar.config import RunConfig
from experiments.ending import let_go
from experiments.tracking.redaction import redact

log = logging.getLogger("experiments")


def say(console: Console, text: str) -> None:
    """Print a line without secrets, and write it to the run's log."""
    text = redact(text)
    console.print(text, highlight=False, markup=False)
    log.info(text)


@contextmanager
def heard_or_not() -> Iterator[None]:
    """Within, a training goes on when its terminal or `| head` is gone, or the disk is full that its output goes to."""
    with redirect_stdout(cast(TextIO, _Patient(sys.stdout))), redirect_stderr(cast(TextIO, _Patient(sys.stderr))):
        try:
            yield
        finally:
            sys.stdout.flush()


class _Patient:
    """A stream that can be written to whatever becomes of it; the run's log has what is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            let_go(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            let_go(self._stream)

    def close(self) -> None:
        """Nothing: TensorFlow's log would close what is not its own."""


class TrainingDisplay:
    """A line for each epoch that is done and, on a terminal, a bar for the one under way.

    Args:
        config: what is trained.
        console: where to show it.
        live: whether this training has the terminal to itself.
    """

    def __init__(self, config: RunConfig, console: Console, live: bool = True) -> None:
        self._config, self._console = config, console
        self._images = config.data.train_images
        self._epoch_started = time.perf_counter()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[speed]}"),
            console=console,
            transient=True,
            disable=not (live and console.is_terminal),
        )
        self._task = self._bar.add_task("", total=self._images, speed="")

    def __enter__(self) -> TrainingDisplay:
        self._bar.start()
        self._epoch_started = time.perf_counter()
        self._begin(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_resume(self, history: list[dict[str, float]], warnings: list[str]) -> None:
        """Say which epoch the training goes on from, and which checkpoints could not be used."""
        for warning in warnings:
            say(self._bar.console, f"warning: {warning}")
        say(self._bar.console, f"going on after epoch {len(history)} of {self._config.training.epochs}")
        self._begin(len(history) + 1)

    def on_step(self, epoch: int, step: int) -> None:
        """Move the bar."""
        done = min(step * self._config.training.batch_size, self._images)
        speed = done / (time.perf_counter() - self._epoch_started)
        if speed > 0:
            left = self._images * (self._config.training.epochs - epoch + 1) - done
            self._bar.update(
                self._task, completed=done, speed=f"{speed:,.0f} images/s, {duration(left / speed)} left in all"
            )

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Print what the epoch brought."""
        left = metrics["seconds"] * (self._config.training.epochs - epoch)
        say(self._bar.console, epoch_line(epoch, self._config.training.epochs, metrics, left))
        self._begin(epoch + 1)

    def _begin(self, epoch: int) -> None:
        self._epoch_started = time.perf_counter()
        self._bar.reset(self._task, description=f"epoch {epoch}/{self._config.training.epochs}", speed="")


def epoch_line(epoch: int, epochs: int, metrics: dict[str, float], seconds_left: float) -> str:
    """One epoch in one line: losses, accuracies in percent, speed, time left."""
    parts = [
        f"epoch {epoch:>{len(str(epochs))}}/{epochs}",
        f"loss {metrics['loss']:.4f}",
        f"accuracy {metrics['accuracy']:6.2%}",
    ]
    if "val_accuracy" in metrics:
        parts += [f"val_loss {metrics['val_loss']:.4f}", f"val_accuracy {metrics['val_accuracy']:6.2%}"]
    parts.append(f"{metrics['images_per_second']:,.0f} images/s")
    if seconds_left > 0:
        parts.append(f"{duration(seconds_left)} left")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as a person says them: 8 s, 2 min 5 s, 1 h 3 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
