"""A real MLflow server that can be killed, frozen and started again, and a proxy that goes away or loses replies."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.services.ports import free_port

START_SECONDS = 240.0  # two imports of MLflow, on a busy machine


class Server:
    """`mlflow server` on a database of its own, always on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        place = ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--artifacts-destination", "artifacts"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *place, "--port", str(self.port), "--workers", "1"],
                cwd=self.folder,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline, "the server does not come up"
            time.sleep(0.1)

    def kill(self) -> None:
        """As a power cut would."""
        if self.process is not None:
            self.thaw()
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """It takes connections, since the operating system does, and never answers."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on, and answers what has piled up."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return True
        except OSError:
            return False


class Proxy:
    """Stands before a server; while it is closed, the server is not there.

    Of the requests to `lose`, the server does what they ask, but the client never hears.
    """

    def __init__(self, server: Server) -> None:
        self.port, self.lost = free_port(), list[str]()
        self._server, self._lose = server, list[str]()
        self._hold: dict[str, threading.Event] = {}
        self._listening: ThreadingHTTPServer | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lose(self, *paths: str) -> None:
        """The reply to the next request whose path ends so is lost; once for each."""
        self._lose += paths

    def hold(self, path: str) -> threading.Event:
        """The next request whose path ends so reaches the server only once the event is set, or after a minute."""
        return self._hold.setdefault(path, threading.Event())

    def open(self) -> Proxy:
        """Lets clients through from now on."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do(self) -> None:
                proxy._pass_on(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815

            def log_message(self, *arguments: object) -> None: ...

        self._listening = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._listening.serve_forever, args=(0.02,)).start()
        return self

    def close(self) -> None:
        """Refuses connections from now on."""
        if self._listening is not None:
            self._listening.shutdown()
            self._listening.server_close()
            self._listening = None

    def _pass_on(self, client: BaseHTTPRequestHandler) -> None:
        body = client.rfile.read(int(client.headers.get("Content-Length", 0)))
        path = client.path.partition("?")[0]
        for ending in [ending for ending in self._hold if path.endswith(ending)]:
            self._hold.pop(ending).wait(60)
        upstream = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        headers = {**dict(client.headers.items()), "Host": f"127.0.0.1:{self._server.port}", "Connection": "close"}
        upstream.request(client.command, client.path, body, headers)
        reply = upstream.getresponse()
        content = reply.read()
        upstream.close()
        client.close_connection = True
        if losing := [ending for ending in self._lose if path.endswith(ending)]:
            self._lose.remove(losing[0])
            self.lost.append(losing[0])
            return
        with suppress(ConnectionError):  # it may have given up meanwhile
            client.send_response(reply.status)
            client.send_header("Content-Type", reply.headers.get("Content-Type", "application/json"))
            client.send_header("Content-Length", str(len(content)))
            client.end_headers()
            client.wfile.write(content)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server for as long as the block."""
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
