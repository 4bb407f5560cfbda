"""The command in this process, with the server's start taken out; the tests of tracking/server.py start a real one."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from experiments import ui
from experiments.tracking.server import Launch
from experiments.tracking.store import Store
from tests.services.ports import free_port


class Healthy(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pages that a browser was told to open."""
    pages: list[str] = []
    monkeypatch.setattr(ui.webbrowser, "open", pages.append)
    monkeypatch.setenv("DISPLAY", ":0")
    return pages


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Launch]:
    """What was to be started; in its place something answers for a second, long enough to be noticed."""
    launches: list[Launch] = []

    def serve(launch: Launch) -> None:
        launches.append(launch)
        port = int(launch.arguments[launch.arguments.index("--port") + 1])
        with HTTPServer(("127.0.0.1", port), Healthy) as server:
            waiting = [thread for thread in threading.enumerate() if thread.name == "show-when-up"]
            server.timeout = 0.1
            while any(thread.is_alive() for thread in waiting):
                server.handle_request()

    monkeypatch.setattr(ui, "serve", serve)
    return launches


def test_the_store_of_the_working_folder_is_served_and_its_page_opened(
    store: Store, project: Path, launched: list[Launch], shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    assert ui.main(["--port", str(port)]) == 0
    page = f"http://127.0.0.1:{port}/#/experiments/{store.experiment_id}?workflowType=machine_learning"
    assert capsys.readouterr().out == f"starting MLflow's server; Ctrl-C ends it\nOpen {page}\n"
    assert shown == [page]
    assert launched[0].environment["MLFLOW_BACKEND_STORE_URI"] == "sqlite:///mlflow.db"
    assert launched[0].arguments[4:8] == ("--host", "127.0.0.1", "--port", str(port))


def test_without_a_screen_or_when_told_so_no_browser_is_opened(
    store: Store, launched: list[Launch], shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ui.main(["--port", str(free_port()), "--no-browser"])
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(ui.sys, "platform", "linux")
    ui.main(["--port", str(free_port())])
    assert len(launched) == 2
    assert shown == []


def test_a_server_that_is_configured_is_only_shown(
    project: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:canary@mlflow.example.org/")
    assert ui.main([]) == 0
    printed = capsys.readouterr().out
    assert printed == "Open https://***@mlflow.example.org/#/experiments/1?workflowType=machine_learning\n"
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--host", "0.0.0.0"],
            "--host=0.0.0.0: expected 127.0.0.1, since without users anyone who reaches it may read, change and delete "
            "every run. Add --auth",
        ),
        (["--port", "0"], "--port=0: expected a whole number from 1 to 65535"),
        (["--port", "x"], "command line: argument --port: invalid int value: 'x'. See --help"),
        (["--prot", "1"], "command line: unrecognized arguments: --prot 1. See --help"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    project: Path, launched: list[Launch], capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    assert ui.main(argv) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert launched == []
    assert list(project.iterdir()) == []


def test_a_port_that_is_taken_is_said_at_once(
    project: Path, launched: list[Launch], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert ui.main(["--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"error: --port={port}: expected a free port of 127.0.0.1 (Address already in use)\n"
    )
    assert launched == []


def test_a_store_that_cannot_be_served_is_one_line(
    project: Path, launched: list[Launch], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "mlflow.db").write_text("my notes, " * 100)
    assert ui.main(["--port", str(free_port())]) == 2
    assert capsys.readouterr().err.startswith("error: mlflow.db: cannot be read as a database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    assert ui.main([]) == 2
    assert capsys.readouterr().err.startswith("error: MLFLOW_TRACKING_URI=./mlruns: expected the address of a database")
    assert launched == []
