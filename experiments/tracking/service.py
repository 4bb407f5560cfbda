"""MLflow itself: imported late, quietly, and with errors of one line."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from cifar.imports import first_import
from experiments.tracking.redaction import redact

_OUTAGE_CODES = ("TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED")
_OUTAGE_STATUSES = (408, 429, 500, 502, 503, 504)
_UNAUTHENTICATED = (
    "it asks for a name and a password, and MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
    "~/.mlflow/credentials, do not hold them"
)


class TrackingError(RuntimeError):
    """The tracker could not do what was asked; one line that says what to do."""


class UnreachableError(TrackingError):
    """The tracker does not answer, or not now: nobody's mistake, and it may work later. `reason`: why, in few words."""

    def __init__(self, doing: str, reason: str) -> None:
        super().__init__(f"{doing}: {reason}")
        self.reason = reason


def import_mlflow() -> ModuleType:
    """MLflow, without telemetry and without messages of its own on the console (an import of seconds).

    These are MLflow's own environment variables, read when it is imported; a value that the user set stays.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # the URL may hold a password
    with first_import("mlflow"):
        import mlflow

    # it prints a traceback for a database that is locked for a moment, before it raises what we tell in one line
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return mlflow


@contextmanager
def one_line_errors(doing: str) -> Iterator[None]:
    """Turns what MLflow raises into a TrackingError: `doing` and the reason in one line, without secrets.

    It is an UnreachableError where the same call may work later: no connection, no answer in time, an answer of 5xx
    or 429, a database that is locked or cannot grow.
    """
    try:
        yield
    except TrackingError:
        raise
    except _service_errors() as error:
        if is_outage(error):
            raise UnreachableError(doing, _reason(error)) from error
        raise TrackingError(f"{doing}: {first_line(error)}") from error


def is_outage(error: BaseException) -> bool:
    """Whether this is a failure of the network, the server or the disk, and not of what was asked."""
    causes = _causes(error)
    return any(map(_is_outage, causes)) and not any(isinstance(cause, ssl.SSLError) for cause in causes)


def first_line(error: BaseException, longest: int = 500) -> str:
    """The first line of an error's message, without secrets, cut at `longest` characters."""
    if getattr(error, "error_code", None) == "UNAUTHENTICATED":
        return _UNAUTHENTICATED
    said = getattr(error, "orig", None) or error  # what SQLAlchemy puts the name of a class before
    lines = redact(str(said)).strip().splitlines()
    line = lines[0] if lines else type(error).__name__
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _service_errors() -> tuple[type[Exception], ...]:
    errors: list[type[Exception]] = [OSError, sqlite3.Error, import_mlflow().exceptions.MlflowException]
    if "sqlalchemy.exc" in sys.modules:  # MLflow imports it for databases only, and it takes a while
        errors.append(sys.modules["sqlalchemy.exc"].SQLAlchemyError)
    return tuple(errors)


def _is_outage(error: BaseException) -> bool:
    import requests

    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in _OUTAGE_STATUSES
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return False
    if isinstance(error, OSError):  # what `requests` raises is one too
        return not isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)
    if isinstance(error, sqlite3.OperationalError):
        return True
    if _is_of_postgres(error):
        return not re.search("authentication failed|does not exist|no pg_hba.conf entry", str(error))
    return getattr(error, "error_code", None) in _OUTAGE_CODES


def _is_of_postgres(error: BaseException) -> bool:
    """Whether PostgreSQL's driver lost its server, or never had it; only those who use it have it installed."""
    driver = sys.modules.get("psycopg")
    return driver is not None and isinstance(error, driver.OperationalError)


def _reason(error: BaseException) -> str:
    """Why there was no answer, as the operating system says it; MLflow's own text shows the innards of its client."""
    import requests
    import urllib3

    causes = _causes(error)
    if any(isinstance(cause, TimeoutError | requests.Timeout | urllib3.exceptions.TimeoutError) for cause in causes):
        refused = [cause for cause in causes if isinstance(cause, urllib3.exceptions.NewConnectionError)]
        if not refused:  # which is a timeout too, by its type
            return "no answer in time"
    if any(isinstance(cause, requests.exceptions.RetryError) for cause in causes):
        return "the server answers that it cannot (5xx or 429)"
    said = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    locked = [str(cause) for cause in causes if isinstance(cause, sqlite3.Error)]
    return next(iter([*said, *locked]), None) or first_line(error)


def _causes(error: BaseException) -> list[BaseException]:
    """An error and all that it came from; urllib3 and `requests` keep the first cause among their arguments."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and cause not in found:
            found.append(cause)
            context = None if cause.__suppress_context__ else cause.__context__
            waiting += [cause.__cause__, context, *cause.args]
    return found
