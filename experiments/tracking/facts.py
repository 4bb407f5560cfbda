"""All that a store should know of a run, whether it was read from a journal or from another store."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from experiments.tracking.bounds import leads_into
from experiments.tracking.checked import BAD_VALUES, number, text, texts, whole
from experiments.tracking.dataset import INPUT_FACTS
from experiments.tracking.journal import JOURNAL_FILE, Entry
from experiments.tracking.service import TrackingError

IDENTITY_TAG = "journal.id"
"""The tag by which a run is found again in a store."""

SEAL_TAG = "journal.seq"
"""The tag of a run that a store has all of: the number of the journal's last line."""

RESUMES_TAG = "resumes"
"""The tag that counts how often a run was taken up again."""

ERROR_TAG = "error"
"""The tag that says why a run failed; empty once it goes on."""

NOTE_TAG = "mlflow.note.content"
"""What MLflow shows as a run's description."""

FOLDER_TAG = "folder"
"""The tag that says where a run's journal is, from the folder that its command was typed in."""

ENDS = ("FINISHED", "FAILED", "KILLED")

REFERENCE = "journal-"
"""Goes before a run's identity where else MLflow's id of the run would stand: a run that no store knows yet."""


class Measurement(NamedTuple):
    """A value of a metric, when it was measured (milliseconds since 1970) and at which step. NaN equals NaN here."""

    name: str
    value: float | None
    at: int
    step: int

    @classmethod
    def of(cls, name: str, value: float, at: int, step: int) -> Measurement:
        """None stands for NaN: JSON has no NaN, and NaN is not equal to itself. Infinity becomes NaN.

        MLflow would keep 1.8e308 for an infinite value, which looks like a measurement.
        """
        number = float(value)
        return cls(name, number if math.isfinite(number) else None, int(at), int(step))


@dataclass(frozen=True)
class ModelFacts:
    """A network as MLflow's folder of files; `key` tells it from others of its run.

    `metrics`, with data set name and digest, None: those that its run had at this step (0: the latest). `params` None:
    those of its run.
    """

    key: str
    folder: Path
    name: str
    step: int = 0
    model_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] | None = None
    metrics: Sequence[tuple[Measurement, str | None, str | None]] | None = None


@dataclass
class RunFacts:
    """A run, or what is new of it.

    Attributes:
        identity: tells it from all other runs, in every store.
        began, ended: milliseconds since 1970.
        parent: the identity of the run above it.
        run_id: MLflow's id in the store where the run began, if its journal began later than the run.
        artifacts: the name that a store shows, and the file; `rewritten`: names told more than once.
        status: how it ended, None while it goes on; `assumed`: no line tells so, its process is only gone.
        seal: the store is marked with it once it has all of this; `seal_tag` is the mark's name.
        unknown: kinds of entries that only a newer version understands.
        left_out: which files cannot be sent, and why, a line each.
    """

    identity: str
    experiment: str
    name: str
    began: int
    parent: str | None = None
    run_id: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[Measurement] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: list[Mapping[str, Any]] = field(default_factory=list)
    artifacts: dict[str, Path] = field(default_factory=dict)
    rewritten: set[str] = field(default_factory=set)
    models: list[ModelFacts] = field(default_factory=list)
    status: str | None = None
    ended: int = 0
    assumed: bool = False
    seal: str = ""
    seal_tag: str = ""
    unknown: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)


def facts_of(begin: Entry, entries: Iterable[Entry], folder: Path) -> RunFacts:
    """What these entries of the journal in `folder` tell of the run that `begin` began.

    Raises:
        TrackingError: an entry lacks what its kind must tell.
    """
    facts = _begun(begin, folder)
    for entry in entries:
        tell = _TELL.get(entry.kind)
        if tell is None:
            facts.unknown.add(entry.kind)
            continue
        try:
            tell(facts, entry, folder)
        except BAD_VALUES:
            raise _incomplete(entry, folder) from None
        if entry.kind != "stored":
            facts.seal = str(entry.seq)
    return facts


def whole_facts(entries: Sequence[Entry], folder: Path) -> RunFacts:
    """The same of a whole journal that nobody writes any more: a run without an end was killed at its last entry."""
    if not entries or entries[0].kind != "begin":
        raise TrackingError(f"{folder}: its journal has no beginning")
    facts = facts_of(entries[0], entries, folder)
    if facts.status is None:
        facts.status, facts.ended, facts.assumed = "KILLED", entries[-1].at, True
    return facts


def _begun(begin: Entry, folder: Path) -> RunFacts:
    told = begin.facts
    try:
        own = text(told["id"])
        identity = text(told.get("run") or own)
        facts = RunFacts(identity, text(told["experiment"]), text(told["name"]), whole(begin.at))
        facts.parent, facts.run_id = (text(told[name]) if told.get(name) else None for name in ("parent", "run_id"))
    except BAD_VALUES:
        raise _incomplete(begin, folder) from None
    facts.seal_tag = SEAL_TAG if own == identity else f"{SEAL_TAG}.{own[:8]}"
    return facts


def _incomplete(entry: Entry, folder: Path) -> TrackingError:
    return TrackingError(f"{folder / JOURNAL_FILE}: line {entry.seq} ({entry.kind}) does not tell what it should")


def _tell_params(facts: RunFacts, entry: Entry, folder: Path) -> None:
    facts.params |= texts(entry.facts["values"])


def _tell_tags(facts: RunFacts, entry: Entry, folder: Path) -> None:
    facts.tags |= texts(entry.facts["values"])


def _tell_metrics(facts: RunFacts, entry: Entry, folder: Path) -> None:
    facts.metrics += [_measurement(*values) for values in entry.facts["values"]]


def _measurement(name: object, value: object, at: object, step: object) -> Measurement:
    return Measurement(text(name), None if value is None else number(value), whole(at), whole(step))


def _tell_inputs(facts: RunFacts, entry: Entry, folder: Path) -> None:
    told = entry.facts["values"]
    for values in told:
        texts({name: values[name] for name in INPUT_FACTS})
        texts(values["tags"])
    facts.inputs += told


def _tell_artifact(facts: RunFacts, entry: Entry, folder: Path) -> None:
    name = text(entry.facts["name"])
    if name in facts.artifacts:
        facts.rewritten.add(name)
    file = _within(folder, entry.facts["file"])
    if file.exists() and (file.is_symlink() or not file.is_file()):
        raise ValueError
    facts.artifacts[name] = file


def _tell_model(facts: RunFacts, entry: Entry, folder: Path) -> None:
    files, step = _within(folder, entry.facts["folder"]), whole(entry.facts.get("step", 0))
    facts.models.append(ModelFacts(str(entry.seq), files, text(entry.facts["name"]), step))


def _within(folder: Path, name: str) -> Path:
    """A journal that came from elsewhere must not make us send a file of this machine."""
    path = folder / text(name)
    if not leads_into(path, folder):
        raise ValueError
    return path


def _tell_resume(facts: RunFacts, entry: Entry, folder: Path) -> None:
    facts.status = None


def _tell_end(facts: RunFacts, entry: Entry, folder: Path) -> None:
    if entry.facts["status"] not in ENDS:
        raise ValueError
    facts.status, facts.ended = entry.facts["status"], whole(entry.at)


def _tell_nothing(facts: RunFacts, entry: Entry, folder: Path) -> None:
    """`begin` is told already; `stored` is for a person and for taking a run up again."""


_TELL = {
    "begin": _tell_nothing,
    "params": _tell_params,
    "tags": _tell_tags,
    "metrics": _tell_metrics,
    "inputs": _tell_inputs,
    "artifact": _tell_artifact,
    "model": _tell_model,
    "resume": _tell_resume,
    "stored": _tell_nothing,
    "end": _tell_end,
}
