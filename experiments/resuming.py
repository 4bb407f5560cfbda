"""`resume=RUN`: the command line that goes on with a run, checked before anything of the run is touched."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cifar.course import Course, reason_to_stop
from cifar.fields import ConfigError
from experiments.commandline import CommandLine, check, check_keys
from experiments.folders import CONFIG_FILE, option
from experiments.retyping import as_typed, read_configuration
from experiments.schema import Settings, UsageError
from experiments.search.named import sweep_of
from experiments.tracking.database import shown
from experiments.tracking.facts import Measurement
from experiments.tracking.finding import Found, find, is_folder
from experiments.tracking.journal import JOURNAL_FILE
from experiments.tracking.service import TrackingError
from experiments.tracking.staging import CHECKPOINTS

KEY = "resume"

_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir")


@dataclass(frozen=True)
class Resumption:
    """A run to go on with.

    Attributes:
        folder: the run's.
        reference: what the recorder knows it by; empty if it was not recorded.
        argv: the command line that composes its configuration, with what was typed on top.
        done: why there is nothing left to do, for a person; empty if there is.
    """

    folder: Path
    reference: str
    argv: list[str]
    done: str = ""


def take_out(argv: list[str]) -> tuple[list[str], str | None]:
    """A command line without `resume=RUN`, and that RUN; None if it has none.

    Raises:
        ConfigError: it is given twice, or empty.
    """
    given = [item for item in argv if item.startswith(f"{KEY}=")]
    if not given:
        return argv, None
    named = given[-1].partition("=")[2].strip("'\"")
    if not named or len(given) > 1:
        raise UsageError(given[-1], "expected one run: MLflow's id, the beginning of it, a name, or the run's folder")
    return [item for item in argv if item not in given], named


def prepare(named: str, argv: list[str]) -> Resumption | None:
    """Find a run and check that it can go on with what was typed; None if only help is asked for.

    Raises:
        ConfigError: what was typed cannot be used, or not for this run.
        TrackingError: there is no such run, or it cannot be gone on with here.
    """
    typed = check_keys(argv)
    if typed.first is None:
        return None
    _refuse(typed, named)
    found = _found(named, typed.first)
    assert found.folder is not None
    recorded = [*as_typed(_configuration(found.folder, named), typed.overrides, found)]
    flags = [item for item in argv if item not in typed.overrides]
    argv = [*flags, *recorded, *typed.overrides]
    before, now = check([*flags, *recorded]).first, check(argv).first
    assert before is not None
    assert now is not None
    from cifar.snapshots import decisive_settings, difference  # with NumPy

    if differing := difference(decisive_settings(before.run), decisive_settings(now.run)):
        raise UsageError(f"{KEY}={named}", differing)
    if found.facts is None and now.tracking.enabled:
        raise ConfigError("tracking.enabled", True, "false, since this run was not recorded from its beginning")
    return Resumption(found.folder, found.reference, argv, _done(found, now))


def _refuse(typed: CommandLine, named: str) -> None:
    if typed.multirun:
        raise UsageError(
            f"{KEY}={named}", "one run at a time, without -m", f"A job of a multirun: {KEY}=multirun/.../0"
        )
    for key in _FOLDERS:
        if option(typed.overrides, key) is not None:
            raise UsageError(f"{key}=...", f"not with {KEY}=: a run goes on in its own folder")
    if option(typed.overrides, "experiment") is not None:
        raise UsageError(
            "experiment=...",
            f"not with {KEY}=: a run goes on with the settings that it began with",
            "Those that may change are typed one by one, such as training.epochs=50",
        )


def _found(named: str, settings: Settings) -> Found:
    folder = Path(named) if is_folder(named) else None
    _refuse_sweeps(named, folder)
    if folder is not None and (folder / CHECKPOINTS).is_dir() and not (folder / JOURNAL_FILE).is_file():
        return Found("", folder.name, "", 0, folder)  # of tracking=off
    found = find(named, settings.tracking)
    if found.folder is None:
        where = f"its folder, {found.place}," if found.place else "the folder that it was written in"
        raise TrackingError(
            f"run {named}: {where} is not here. Type the command there, or bring the folder here and name it: "
            f"{KEY}=FOLDER"
        )
    _refuse_sweeps(named, found.folder)
    if (found.folder / "multirun.yaml").is_file():
        jobs = sorted((path.parent.parent for path in found.folder.glob(f"*/{CONFIG_FILE}")), key=str)
        example = f", such as {KEY}={jobs[0]}" if jobs else ""
        raise UsageError(f"{KEY}={named}", f"is a multirun; expected one of its jobs{example}")
    if found.status == "RUNNING":
        raise TrackingError(f"run {named}: goes on at this moment; another process writes {found.folder}")
    return found


def _refuse_sweeps(named: str, folder: Path | None) -> None:
    """A trial that went on by itself would look at the test images, and its sweep would not know of it."""
    if folder is not None and (sweep := sweep_of(folder)) is not None:
        what = "is a sweep" if sweep == folder.absolute() else "is of a sweep"
        place = shlex.quote(shown(sweep))
        raise UsageError(f"{KEY}={named}", what, f"To go on with it: python -m experiments.sweep {KEY}={place}")


def _configuration(folder: Path, named: str) -> dict[str, Any]:
    try:
        return read_configuration(folder)
    except ValueError as error:
        raise UsageError(f"{KEY}={named}", str(error)) from None


def _done(found: Found, settings: Settings) -> str:
    """What a finished run says instead of going on; empty if there is something left to do.

    Raises:
        ConfigError: fewer epochs are asked for than are done.
    """
    course = _course(found.facts.metrics if found.facts is not None else ())
    epochs, asked = len(course.history), settings.run.training
    if epochs > asked.epochs:
        raise ConfigError("training.epochs", asked.epochs, f"at least {epochs}, the epochs that are already done")
    if found.status != "FINISHED":
        return ""
    reason = reason_to_stop(asked, course)
    if reason is None:
        return ""
    return (
        f"{found.name} is finished after {epochs} epoch{'s' * (epochs != 1)} ({reason}); "
        f"to train it longer: {KEY}={found.folder} training.epochs={2 * epochs}"
    )


def _course(metrics: Iterable[Measurement]) -> Course:
    """How far a run came, as it was recorded."""
    epochs: dict[int, dict[str, float]] = {}
    names = {"loss", "val_accuracy", "seconds"}
    for name, value, _, step in metrics:
        if step > 0 and name in names:
            epochs.setdefault(step, {})[name] = math.nan if value is None else value
    course = Course()
    for step in sorted(epochs):
        course.add(epochs[step])
        course.seconds += epochs[step].get("seconds", 0.0)
    return course
