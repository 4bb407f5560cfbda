"""Where a result comes from: code, command, machine, libraries. No MLflow here, only names that it shows."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from email.parser import HeaderParser
from functools import cache
from importlib import metadata
from pathlib import Path

import psutil

from cifar.compute import cores, cpu_name
from experiments.tracking.redaction import redact, redact_command

PROJECT = Path(__file__).resolve().parents[2]
LIBRARIES = ("tensorflow", "keras", "jax", "keras-tuner", "mlflow", "hydra-core", "numpy")

_GIT_SECONDS = 20


def describe_environment(command: Sequence[str] | None = None, folder: Path = PROJECT) -> dict[str, str]:
    """The tags that say what made a run. `command` is this process' own if not given; git is asked in `folder`."""
    arguments = list(sys.orig_argv if command is None else command)
    return {**_git(folder), **_command(arguments, folder), **_machine(), **_versions(LIBRARIES)}


def packages() -> str:
    """Every installed distribution as `name==version`, a line each, sorted: what `pip freeze` prints."""
    found = {line for item in metadata.distributions() if (line := _pinned(item))}
    return "".join(f"{line}\n" for line in sorted(found, key=str.lower))


def _pinned(item: metadata.Distribution) -> str:
    """`name==version`; empty for what has no name. The long description, which takes a while, is not parsed."""
    text = item.read_text("METADATA") or item.read_text("PKG-INFO") or ""
    headers = HeaderParser().parsestr(text.partition("\n\n")[0])
    return f"{headers['Name']}=={headers['Version']}" if headers["Name"] else ""


@cache
def code_digest(folder: Path = PROJECT / "cifar") -> str:
    """SHA-256 of the source files that decide what a training comes to, committed or not."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def uncommitted_diff(folder: Path = PROJECT, limit: int = 5_000_000) -> str:
    """What the code has beyond its commit: names of new files, then `git diff HEAD`, cut at `limit` characters.

    Empty where nothing was changed and outside git. `git apply` takes it as it is, if it was not cut.
    """
    new_files = _ask_git(folder, "ls-files", "--others", "--exclude-standard", limit=limit)
    header = "".join(f"# not in git: {name}\n" for name in new_files.splitlines())
    changes = _ask_git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", limit=limit + 1)
    whole = header + changes
    return whole if len(whole) <= limit else whole[:limit] + "\n# cut here: the rest is longer than the limit\n"


def _git(folder: Path) -> dict[str, str]:
    lines = _ask_git(folder, "status", "--porcelain=v2", "--branch").splitlines()
    facts = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    commit = facts.get("branch.oid", "(initial)")
    if commit == "(initial)":
        return {}
    return {
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.branch": facts.get("branch.head", ""),
        "git.dirty": str(any(not line.startswith("#") for line in lines)).lower(),
    }


def _ask_git(folder: Path, *arguments: str, limit: int = 1_000_000) -> str:
    """What git prints, at most `limit` bytes of it; empty if there is no git, no repository or no answer."""
    # GIT_OPTIONAL_LOCKS: a run must not get in the way of the user's own git commands
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(folder), *arguments]
    with tempfile.TemporaryFile() as answer:  # a file, not a pipe: the answer may be larger than memory
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env=environment,
                timeout=_GIT_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        answer.seek(0)
        return answer.read(limit).decode("utf-8", "replace")


def _command(arguments: Sequence[str], folder: Path) -> dict[str, str]:
    script = Path(sys.argv[0] or "-").absolute()
    source = script.relative_to(folder) if script.is_relative_to(folder) else script
    return {
        "mlflow.source.name": redact(str(source)),
        "mlflow.source.type": "LOCAL",
        "command": redact_command([Path(arguments[0]).name, *arguments[1:]]) if arguments else "",
    }


def _machine() -> dict[str, str]:
    return {
        "mlflow.user": _user(),
        "host": socket.gethostname(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "cpu.cores": str(cores()),
        "memory_gb": f"{psutil.virtual_memory().total / 1e9:.1f}",
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return str(os.getuid())


def library_versions() -> dict[str, str]:
    """Those of the libraries that compute: a new MLflow changes no result."""
    return _versions(("tensorflow", "keras", "jax", "numpy"))


def _versions(libraries: Iterable[str]) -> dict[str, str]:
    versions = {}
    for library in libraries:
        try:
            versions[f"version.{library}"] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions
