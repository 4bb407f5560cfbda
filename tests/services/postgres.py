"""A PostgreSQL server of one's own: made in a temporary folder, on a free port of this machine, gone afterwards."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.services.ports import free_port

MISSING = "PostgreSQL is not installed (Debian: apt-get install postgresql)"


@dataclass(frozen=True)
class Cluster:
    """A running PostgreSQL server; `admin` is the address of its first database."""

    admin: str = field(repr=False)

    def new_database(self) -> str:
        """The address of a database that did not exist before."""
        import psycopg

        name = f"db_{secrets.token_hex(6)}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{self.admin.rpartition('/')[0]}/{name}"


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; None if it is not installed. Debian keeps them off the PATH."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve()] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Make, start and in the end stop and remove a server; `programs()` has to find it."""
    folder = programs()
    assert folder is not None, MISSING
    # not pytest's temporary folder: only its owner may enter that, and PostgreSQL refuses to be root
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    owner = _owner(home)
    try:
        password, port = secrets.token_hex(16), free_port()
        _initialise(folder, home, password, owner)
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={home}"
        control = [folder / "pg_ctl", "-D", home / "data", "-w", "-t", "60"]
        _run([*control, "-l", home / "log", "-o", options, "start"], home, owner)
        try:
            yield Cluster(f"postgresql://mlflow:{password}@127.0.0.1:{port}/postgres")
        finally:
            _run([*control, "-m", "fast", "stop"], home, owner)
    finally:
        shutil.rmtree(home)


def _owner(home: Path) -> dict[str, Any]:
    """Whom the server runs as: oneself, or for root the user that Debian's package makes, or nobody."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    os.chown(home, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _initialise(folder: Path, home: Path, password: str, owner: dict[str, Any]) -> None:
    secret = home / "password"
    secret.write_text(password)
    if owner:
        os.chown(secret, owner["user"], owner["group"])
    settings = ["--username=mlflow", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    _run([folder / "initdb", "-D", home / "data", f"--pwfile={secret}", *settings], home, owner)


def _run(command: list[str | Path], home: Path, owner: dict[str, Any]) -> None:
    with (home / "output").open("a+") as output:
        done = subprocess.run(command, cwd=home, stdout=output, stderr=output, timeout=120, check=False, **owner)
        output.seek(0)
        assert done.returncode == 0, output.read()
