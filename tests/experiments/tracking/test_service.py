from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from experiments.tracking.service import (
    TrackingError,
    UnreachableError,
    first_line,
    import_mlflow,
    one_line_errors,
)


def test_mlflow_is_imported_without_telemetry_and_without_a_word() -> None:
    code = (
        "from experiments.tracking.service import import_mlflow; import_mlflow();"
        "from mlflow.telemetry import get_telemetry_client; assert get_telemetry_client() is None"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "CI", "DO_NOT"))}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_an_error_of_mlflow_becomes_one_line_without_secrets() -> None:
    mlflow = import_mlflow()
    with pytest.raises(TrackingError) as caught, one_line_errors("run x"):
        raise mlflow.exceptions.MlflowException("no answer from http://bob:hunter2@host\nlong story")
    assert str(caught.value) == "run x: no answer from http://***@host"


def test_an_error_of_the_program_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), one_line_errors("run x"):
        _ = 1 / 0


def refused_connection() -> None:
    import_mlflow().MlflowClient("http://127.0.0.1:9").search_experiments()


def no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        import_mlflow().MlflowClient(address).search_experiments()


def answer(status: int) -> Callable[[], None]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(status)

        def log_message(self, *arguments: object) -> None: ...

    def ask() -> None:
        with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
            Thread(target=listening.serve_forever, args=(0.02,)).start()
            try:
                import_mlflow().MlflowClient(f"http://127.0.0.1:{listening.server_port}").search_experiments()
            finally:
                listening.shutdown()

    return ask


def no_such_host() -> None:
    import_mlflow().MlflowClient("http://no-such-host.invalid").search_experiments()


def locked() -> None:
    try:
        raise sqlite3.OperationalError("database is locked")
    except sqlite3.OperationalError as error:
        raise import_mlflow().exceptions.MlflowException(str(error), 1) from error


def full() -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (refused_connection, "Connection refused"),
        (no_answer, "no answer in time"),
        (answer(500), r"the server answers that it cannot (5xx or 429)"),
        (answer(503), r"the server answers that it cannot (5xx or 429)"),
        (answer(429), r"the server answers that it cannot (5xx or 429)"),
        (no_such_host, ""),
        (locked, "database is locked"),
        (full, "No space left on device"),
    ],
)
def test_what_may_work_later_is_told_apart_with_its_reason_in_few_words(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[[], None], reason: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with pytest.raises(UnreachableError) as caught, one_line_errors("asking"):
        fail()
    assert str(caught.value) == f"asking: {caught.value.reason}"
    assert caught.value.reason == reason or not reason


@pytest.mark.parametrize(
    ("status", "said"), [(400, "400"), (401, "it asks for a name and a password"), (403, "403"), (404, "404")]
)
def test_what_the_user_must_mend_is_no_outage(monkeypatch: pytest.MonkeyPatch, status: int, said: str) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=said) as caught, one_line_errors("asking"):
        answer(status)()
    assert not isinstance(caught.value, UnreachableError)


def test_a_missing_file_is_no_outage() -> None:
    with pytest.raises(TrackingError, match="No such file") as caught, one_line_errors("reading"):
        Path("/no/such/file").read_text()
    assert not isinstance(caught.value, UnreachableError)


def test_an_error_without_a_message_is_named_by_its_type() -> None:
    assert first_line(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert first_line(ValueError("x" * 600)) == "x" * 499 + "…"
