from __future__ import annotations

import os
import subprocess
import sys

import pytest

from experiments.tracking.service import TrackingError, first_line, import_mlflow, one_line_errors


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


def test_an_error_without_a_message_is_named_by_its_type() -> None:
    assert first_line(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert first_line(ValueError("x" * 600)) == "x" * 499 + "…"
