"""How numbers were made: by which commits, commands, machines and versions, for each group of a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from experiments.results.boards import Group
from experiments.tracking.reading import RecordedRun
from experiments.tracking.redaction import redact

UNKNOWN = "not recorded"
VERSIONS = ("tensorflow", "keras", "jax", "numpy")
LONGEST_COMMIT = 10


@dataclass(frozen=True)
class Origin:
    """Where a group comes from; each is a list of what its runs say, without repetitions."""

    group: Group
    commits: tuple[str, ...]
    commands: tuple[str, ...]
    machines: tuple[str, ...]
    versions: tuple[str, ...]
    images: tuple[str, ...]


def origin(group: Group) -> Origin:
    """What the runs of a group recorded of how they were made."""
    return Origin(
        group,
        commits=_each(map(_commit, group.runs)),
        commands=_each(redact(run.tags.get("command", UNKNOWN)) for run in group.runs),
        machines=_each(map(_machine, group.runs)),
        versions=_each(map(_versions, group.runs)),
        images=_each(map(_images, group.runs)),
    )


def _each(told: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(told))


def _commit(run: RecordedRun) -> str:
    commit = run.tags.get("mlflow.source.git.commit", "")[:LONGEST_COMMIT] or UNKNOWN
    return f"{commit} with changes" if run.tags.get("git.dirty") == "true" else commit


def _machine(run: RecordedRun) -> str:
    device = run.tags.get("device", run.tags.get("cpu", UNKNOWN))
    threads = run.params.get("compute.threads", "null")
    return device if threads in ("null", "0") else f"{device}, threads={threads}"


def _versions(run: RecordedRun) -> str:
    found = [f"{name} {run.tags[f'version.{name}']}" for name in VERSIONS if f"version.{name}" in run.tags]
    backend = run.params.get("compute.backend", "")
    return ", ".join([*([f"on {backend}"] if backend else []), *found]) or UNKNOWN


def _images(run: RecordedRun) -> str:
    return ", ".join(_image_facts(run)) or UNKNOWN


def _image_facts(run: RecordedRun) -> Iterator[str]:
    if source := run.tags.get("data.source"):
        yield source
    if digest := run.tags.get("data.digest"):
        yield f"digest {digest[:LONGEST_COMMIT]}"
