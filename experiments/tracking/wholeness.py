"""Whether the files that a finished run should have are in its store, and whole."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cifar.archives import file_sha256
from experiments.tracking.bounds import files_of
from experiments.tracking.census import Census, Journaled
from experiments.tracking.copies import local_path
from experiments.tracking.facts import IDENTITY_TAG, RunFacts
from experiments.tracking.model import HASH_TAG, MODEL_FILE, MODEL_TAG
from experiments.tracking.service import TrackingError, one_line_errors
from experiments.tracking.store import is_local

Sizes = Mapping[str, int | None]
"""Bytes by name, None where the store does not say."""


def broken_files(census: Census, run: Any, journaled: Iterable[Journaled]) -> list[str]:
    """What is missing or cut of MLflow's run, a line each.

    With its journals the files are compared with those that they name; without one, a run of this project has files
    at all, and a network one that can be opened. Of a database on this machine the files are looked at themselves.

    Raises:
        UnreachableError: the server does not answer.
        TrackingError: the journal is damaged.
    """
    told = [item.source.load() for item in journaled]
    return [*_broken_artifacts(census, run, told), *_broken_models(census, run, told)]


def _broken_artifacts(census: Census, run: Any, told: list[RunFacts]) -> Iterator[str]:
    there = _sizes(census, run.info.artifact_uri, partial(census.store.client.list_artifacts, run.info.run_id))
    files = {name: file for facts in told for name, file in facts.artifacts.items()}
    yield from _compared({name: _size(file) for name, file in files.items()}, there)
    if not files and not there and IDENTITY_TAG in run.data.tags and not told:
        yield "all of its artifacts are missing"


def _broken_models(census: Census, run: Any, told: list[RunFacts]) -> Iterator[str]:
    outputs = run.outputs.model_outputs if run.outputs else []
    newest = max((output.step for output in outputs), default=0)
    for output in outputs:
        with one_line_errors(f"model {output.model_id}: cannot be read"):
            model = census.store.client.get_logged_model(output.model_id)
        if str(model.status) != "READY":
            continue  # it was never there; sync completes it
        ask = partial(census.store.client.list_logged_model_artifacts, output.model_id)
        there = _sizes(census, model.artifact_location, ask)
        expected: dict[str, int | None] = {"MLmodel": None}
        if MODEL_TAG in model.tags:
            expected[MODEL_FILE] = None
        key = model.tags.get(MODEL_TAG, "").rpartition(":")[2]
        for copy in (copy for facts in told for copy in facts.models if copy.key == key):
            expected |= {name: _size(file) for name, file in files_of(copy.folder).items()}
        expected["MLmodel"] = None  # each store has a description of its own
        broken = list(_compared(expected, there, f"{model.name}/"))
        yield from broken
        file = _local_file(census, model.artifact_location)
        if not broken and file is not None:
            sha256 = run.data.tags.get(HASH_TAG) if output.step == newest else None  # the tag is the newest one's
            yield from _damaged(file, f"{model.name}/{MODEL_FILE}", sha256)


def _compared(expected: Sizes, there: Sizes, prefix: str = "") -> Iterator[str]:
    for name, size in expected.items():
        if name not in there:
            yield f"{prefix}{name} is missing"
        elif (has := there[name]) is not None and size is not None and has < size:
            yield f"{prefix}{name} is cut: {has:,} of {size:,} bytes"


def _damaged(file: Path, name: str, sha256: str | None) -> Iterator[str]:
    if not zipfile.is_zipfile(file):
        yield f"{name} is damaged: it is no archive any more"
    elif sha256 is not None and file_sha256(file) != sha256:
        yield f"{name} is not the file that was recorded: its SHA-256 is another than the tag {HASH_TAG}"


def _size(file: Path) -> int | None:
    """None: the run's folder has no copy any more, which may be deleted."""
    return file.stat().st_size if file.is_file() else None


def _local_file(census: Census, location: str) -> Path | None:
    root = _local_root(census, location)
    return root / MODEL_FILE if root is not None and (root / MODEL_FILE).is_file() else None


def _local_root(census: Census, location: str) -> Path | None:
    """The folder, if a database on this machine keeps files on this machine."""
    if not is_local(census.store.uri):
        return None
    try:
        return local_path(location, census.home)
    except TrackingError:
        return None


def _sizes(census: Census, location: str, ask: Callable[[str | None], Any]) -> Sizes:
    root = _local_root(census, location)
    if root is not None:
        return {name: _size(path) for name, path in files_of(root).items()}
    with one_line_errors(f"{location}: cannot be listed"):
        return dict(_deep(ask, None))


def _deep(ask: Callable[[str | None], Any], folder: str | None) -> Iterator[tuple[str, int | None]]:
    for item in ask(folder):
        if item.is_dir:
            yield from _deep(ask, item.path)
        else:
            yield item.path, item.file_size
