"""The project's own server, started as a person starts it: python -m experiments.ui."""

from __future__ import annotations

import base64
import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.services.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 180.0  # it imports MLflow twice, on a machine that may be busy


class Answer(NamedTuple):
    """What came back to a request."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Server:
    """A server that answers, with what it takes to get in."""

    port: int
    folder: Path
    pid: int
    store: str = field(repr=False)
    user: str = "admin"
    password: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """Without a password: clients take that from the environment."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> dict[str, str]:
        """The variables that MLflow's client signs in with; none where nobody has to."""
        if not self.password:
            return {}
        return {"MLFLOW_TRACKING_USERNAME": self.user, "MLFLOW_TRACKING_PASSWORD": self.password}

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        return (self.folder / "output.txt").read_text(encoding="utf-8")

    def ask(
        self, method: str, path: str, login: tuple[str, str] | None = None, body: str = "", **headers: str
    ) -> Answer:
        """The answer to a path exactly as it is written: no client library tidies it up before."""
        sent = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(body.encode())), **headers}
        if login is not None:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(body.encode())
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return Answer(answer.status, content)

    def ask_as_admin(self, method: str, path: str, body: str = "", **headers: str) -> Answer:
        """The same, signed in as the first user."""
        return self.ask(method, path, (self.user, self.password), body, **headers)


class Starting:
    """A server that was told to start; `wait` until it answers, `stop` it in the end."""

    def __init__(self, folder: Path, *arguments: str, store: str = "sqlite:///mlflow.db") -> None:
        self.folder, self.port, self.store = folder, free_port(), store
        self.password = secrets.token_urlsafe(16) if "--auth" in arguments else ""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        environment |= {"MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(ROOT)}
        if self.password:
            environment["MLFLOW_AUTH_ADMIN_PASSWORD"] = self.password
        with (folder / "output.txt").open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "experiments.ui", "--no-browser", "--port", str(self.port), *arguments],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> Server:
        """The server, once it answers."""
        server = Server(self.port, self.folder, self.process.pid, self.store, password=self.password)
        deadline = time.monotonic() + READY_SECONDS
        while "\nOpen http" not in server.output:
            assert self.process.poll() is None, server.output
            assert time.monotonic() < deadline, server.output
            time.sleep(0.1)
        return server

    def stop(self) -> int:
        """Ends it as a service manager does; returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


@contextmanager
def running(folder: Path, *arguments: str, store: str = "sqlite:///mlflow.db") -> Iterator[Server]:
    """A server for as long as the block lasts."""
    starting = Starting(folder, *arguments, store=store)
    try:
        yield starting.wait()
    finally:
        starting.stop()
