"""MLflow itself: imported late, quietly, and with errors of one line."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from experiments.tracking.redaction import redact


class TrackingError(RuntimeError):
    """The tracker could not do what was asked; one line that says what to do."""


def import_mlflow() -> ModuleType:
    """MLflow, without telemetry and without messages of its own on the console (an import of seconds).

    These are MLflow's own environment variables, read when it is imported; a value that the user set stays.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # the URL may hold a password
    import mlflow

    return mlflow


@contextmanager
def one_line_errors(doing: str) -> Iterator[None]:
    """Turns what MLflow raises into a TrackingError: `doing` and the first line of the reason, without secrets."""
    try:
        yield
    except _service_errors() as error:
        raise TrackingError(f"{doing}: {first_line(error)}") from error


def _service_errors() -> tuple[type[Exception], ...]:
    errors: list[type[Exception]] = [OSError, sqlite3.Error, import_mlflow().exceptions.MlflowException]
    if "sqlalchemy.exc" in sys.modules:  # MLflow imports it for databases only, and it takes a while
        errors.append(sys.modules["sqlalchemy.exc"].SQLAlchemyError)
    return tuple(errors)


def first_line(error: BaseException, longest: int = 500) -> str:
    """The first line of an error's message, without secrets, cut at `longest` characters."""
    lines = redact(str(error)).strip().splitlines()
    line = lines[0] if lines else type(error).__name__
    return line if len(line) <= longest else line[: longest - 1] + "…"
