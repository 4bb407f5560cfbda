"""A run, whatever comes of it: an exit code, a line that says why, a result in its folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console

from cifar.fields import ConfigError
from experiments.display import heard_or_not, say
from experiments.execution import GO_ON, Place, execute, write_result
from experiments.folders import CONFIG_FILE, redact_files
from experiments.record import run_name, run_params
from experiments.results.leaderboard import FinishedRun
from experiments.schema import Settings, load
from experiments.tracking.recorder import status_of
from experiments.tracking.redaction import redact, redacted_traceback
from experiments.tracking.service import TrackingError, first_line
from experiments.tracking.signals import Terminated, code_of, name_of, raise_on_stop
from experiments.tracking.spelling import spelled

if TYPE_CHECKING:
    from experiments.multirun import Membership


@heard_or_not()
def attempt(
    cfg: DictConfig,
    resolved_config: str,
    folder: Path,
    membership: Membership | None = None,
    resume: str | None = None,
) -> int:
    """Run one job, or go on with the run that the recorder knows as `resume`, and say what came of it.

    Returns:
        The exit code: 0 done, 1 failed, 2 the user's to mend, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP. In a multirun the
        last three are raised on instead, since they end all of it.
    """
    redact_files((folder / CONFIG_FILE).parent)
    console = Console(soft_wrap=True)
    try:
        settings = load(cfg)
    except ConfigError as error:  # of a multirun too large to check every job of before it began
        write_result(folder, FinishedRun("", folder.name, "FAILED", {}, {}, str(error)))
        return _explain(error, console)
    if membership is not None:
        settings = membership.adopt(settings)
        say(console, membership.headline())
    place = Place(folder, console, live=membership is None or membership.live)
    try:
        with raise_on_stop():
            result = execute(settings, resolved_config, place, resume)
    except BaseException as error:
        ways = _taken_notes(error)
        code = _explain(error, console)
        for way in ways:
            say(console, way)
        if resume is None:
            write_result(folder, _unfinished(settings, error))
        if membership is not None and isinstance(error, KeyboardInterrupt | Terminated):
            raise
        return code
    write_result(folder, result)
    return 0


def _taken_notes(error: BaseException) -> list[str]:
    """How to go on with the run, to be said last; a traceback would end with it too."""
    notes: list[str] = getattr(error, "__notes__", [])
    ways = [note for note in notes if note.startswith(GO_ON)]
    notes[:] = [note for note in notes if note not in ways]
    return ways


def _explain(error: BaseException, console: Console) -> int:
    """Say what went wrong: one line for what a user can mend, a traceback for what is ours."""
    from cifar.checkpoints import CheckpointError
    from cifar.data import DataError

    match error:
        case ConfigError() | DataError() | TrackingError() | CheckpointError():
            print(f"error: {error}", file=sys.stderr)
            return 2
        case ArithmeticError() if type(error).__name__ == "TrainingDivergedError":
            print(f"error: {error}", file=sys.stderr)
            return 1
        case KeyboardInterrupt() | Terminated():
            say(console, f"stopped by {name_of(error)}")
            return code_of(error)
        case SystemExit(code=None):
            return 0
        case SystemExit(code=int(code)):
            return code
        case SystemExit():
            print(redact(str(error)), file=sys.stderr)
            return 1
        case _:
            print(redacted_traceback(error), end="", file=sys.stderr)
            return 1


def _unfinished(settings: Settings, error: BaseException) -> FinishedRun:
    params = {name: spelled(value) for name, value in run_params(settings).items()}
    reason = f"{type(error).__name__}: {first_line(error)}"
    return FinishedRun("", run_name(settings), status_of(error), params, {}, reason)
