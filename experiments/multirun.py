"""Several runs as one: a parent in MLflow, a child for each job, a leaderboard at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path

from rich.console import Console

from experiments.commandline import CommandLine
from experiments.display import heard_or_not, say
from experiments.execution import RESULT_FILE, read_result
from experiments.folders import option
from experiments.results.leaderboard import FinishedRun, as_json, build_leaderboard
from experiments.results.tables import as_markdown, as_table
from experiments.schema import Settings
from experiments.tracking.provenance import describe_environment
from experiments.tracking.recorder import Recorder, open_recorder
from experiments.tracking.service import TrackingError
from experiments.tracking.signals import Terminated, code_of, raise_on_stop
from experiments.tracking.spelling import LONGEST_TAG

MEMBERSHIP_FILE = "multirun.json"


@dataclass(frozen=True)
class Membership:
    """What a job knows of the multirun that it belongs to."""

    number: int
    jobs: int
    parent_run_id: str | None
    live: bool
    overrides: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path, number: int, overrides: list[str]) -> Membership:
        """The membership of job `number`, counted from 1, of the multirun in `folder`."""
        shared = json.loads((folder / MEMBERSHIP_FILE).read_text(encoding="utf-8"))
        return cls(number=number, overrides=tuple(overrides), **shared)

    def adopt(self, settings: Settings) -> Settings:
        """The job's settings, to be recorded below the multirun's parent."""
        if self.parent_run_id is None:
            return settings
        name = settings.tracking.run_name
        own_name = f"{name}-{self.number}" if name else None
        return replace(
            settings, tracking=replace(settings.tracking, parent_run_id=self.parent_run_id, run_name=own_name)
        )

    def headline(self) -> str:
        """Which job this is: job 2 of 4: model=model1 optimizer=sgd."""
        return f"\njob {self.number} of {self.jobs}: {' '.join(self.overrides)}"


@heard_or_not()
def run_all(typed: CommandLine, folder: Path, launch: Callable[[], None]) -> int:
    """Run every job below one parent and show who did best.

    Returns:
        The exit code: 0 if every job finished, 1 if one did not, 2 if the store cannot be used, 130, 143 or 129
        if stopped.
    """
    console = Console(soft_wrap=True)
    warn = partial(say, console)
    assert typed.first is not None
    name = typed.first.tracking.run_name or f"multirun of {typed.jobs}"
    tags = describe_environment() | {"multirun.jobs": str(typed.jobs), "multirun.overrides": " ".join(typed.overrides)}
    try:
        with raise_on_stop(), open_recorder(typed.first.tracking, folder, name, tags=tags, warn=warn) as parent:
            _write_membership(typed, folder, parent.reference or None)
            _launch_all(launch, parent)
            results = [_result(folder, number) for number in range(typed.jobs)]
            board = build_leaderboard(results)
            console.print()
            console.print(as_table(board))
            parent.log_text(as_markdown(board), "leaderboard.md")
            parent.log_json(as_json(board), "leaderboard.json")
            parent.set_tags({"mlflow.note.content": _description(typed.first.tracking.note, as_markdown(board))})
            failed = sum(result.status != "FINISHED" for result in results)
            if failed:
                parent.set_tags({"multirun.failed": str(failed)})
    except TrackingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Terminated) as stop:
        print(f"the multirun was stopped; logs: {folder}")
        return code_of(stop)
    done = f"{typed.jobs - failed} of {typed.jobs} jobs finished"
    print(f"{done}; logs: {folder}" + ("" if not failed else f"; {failed} failed"))
    return 1 if failed else 0


def _launch_all(launch: Callable[[], None], parent: Recorder) -> None:
    try:
        launch()
    except SystemExit:
        pass  # Hydra's way out when a worker died, after its message; the jobs without a result tell the rest
    finally:
        parent.end_children()  # parallel workers are killed without a chance to do it themselves


def _write_membership(typed: CommandLine, folder: Path, parent_run_id: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob(f"*/{RESULT_FILE}"):  # of an earlier multirun in a folder that the user named
        left_over.unlink()
    shared = {
        "jobs": typed.jobs,
        "parent_run_id": parent_run_id,
        # Two progress bars on one terminal would overwrite each other.
        "live": option(typed.overrides, "hydra/launcher") in (None, "basic"),
    }
    unfinished = folder / f"{MEMBERSHIP_FILE}.part"
    unfinished.write_text(json.dumps(shared), encoding="utf-8")
    unfinished.replace(folder / MEMBERSHIP_FILE)


def _result(folder: Path, number: int) -> FinishedRun:
    missing = FinishedRun("", f"job {number + 1}", "FAILED", {}, {}, "its process died without a word")
    return read_result(folder / str(number)) or missing


def _description(note: str | None, leaderboard: str) -> str:
    """What MLflow shows on the parent's page: the user's note, then as much of the leaderboard as fits a tag."""
    lines = [*([note, ""] if note else []), *leaderboard.splitlines()]
    kept = list(accumulate(len(line) + 1 for line in lines))
    return "\n".join(line for line, length in zip(lines, kept, strict=True) if length <= LONGEST_TAG)
