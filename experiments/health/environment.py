"""What a run starts from: Python, the packages, the images."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cifar.cache import prove
from cifar.proof import CIFAR10, DataError, Proof
from experiments.health.findings import Finding, note, ok, plural, problem, warning
from experiments.tracking.provenance import PROJECT

INSTALL = "make run sets up .venv with the right ones; in an environment of your own: pip install -e ."


def versions(file: Path = PROJECT / "pyproject.toml") -> Iterator[Finding]:
    """Whether Python and the packages are those that the project's file asks for."""
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    python = platform.python_version()
    if not SpecifierSet(project["requires-python"]).contains(python, prereleases=True):
        yield problem(f"Python {python}: {project['requires-python']} is needed", "make setup PYTHON=python3.11")
    wrong = list(_wrong(project["dependencies"]))
    yield from (problem(line, INSTALL) for line in wrong)
    if not wrong:
        yield ok(f"Python {python}, {plural(len(project['dependencies']), 'package')} as pyproject.toml asks")


def data(folder: Path, proof: Proof = CIFAR10) -> Iterator[Finding]:
    """Whether CIFAR-10 is in its cache folder, each byte of it."""
    try:
        there = prove(folder, proof)
    except DataError as error:
        yield warning(f"the data are damaged: {error}", "Nothing to do: the next run fetches them again")
        return
    if there:
        yield ok(f"CIFAR-10 is in {folder}, every byte proven")
    else:
        yield note(f"CIFAR-10 is not in {folder} yet; the first run fetches it")


def _wrong(requirements: Sequence[str]) -> Iterator[str]:
    for text in requirements:
        wanted = Requirement(text)
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            yield f"{wanted.name} is not installed: {wanted.specifier} is needed"
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            yield f"{wanted.name} {found}: {wanted.specifier} is needed"
