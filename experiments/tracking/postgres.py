"""A PostgreSQL database of MLflow's records: opened by one process at a time, since it may have to be made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from experiments.tracking.patience import in_time
from experiments.tracking.redaction import redact
from experiments.tracking.service import TrackingError, UnreachableError

if TYPE_CHECKING:
    from sqlalchemy import Engine

LOCK_SECONDS = 60.0

CONNECT_SECONDS = 10
"""A machine that does not answer is away; one that is up answers at once."""

_LOCK = 1_667_850_601  # any number that only we use; it counts within one database


@contextmanager
def locked(uri: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Holds a lock of the database's own: of eight processes that open an empty one at once, seven fail without it.

    PostgreSQL frees the lock when its holder's connection ends, however it ends.

    Raises:
        TrackingError: the driver is not installed.
        UnreachableError: another process held the lock for `seconds`.
    """
    import sqlalchemy

    with _engine(uri).connect() as connection:
        connection.execute(sqlalchemy.text(f"SET lock_timeout = '{seconds * 1000:.0f}ms'"))
        try:
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({_LOCK})"))
        except sqlalchemy.exc.OperationalError:
            reason = f"another process has been opening it for {seconds:g} s"
            raise UnreachableError(redact(uri), reason) from None
        yield


def ensure_answers(uri: str) -> None:
    """Connects once.

    Raises:
        TrackingError: the driver is not installed.
        SQLAlchemyError: the database does not answer within CONNECT_SECONDS, or not to us.
        TimeoutError: it took the connection, and then says nothing.
    """

    def connect() -> None:
        with _engine(uri).connect():
            pass

    in_time(connect, 2 * CONNECT_SECONDS)  # the driver's limit, of the login alone, comes first


def _engine(uri: str) -> Engine:
    import sqlalchemy

    try:
        return sqlalchemy.create_engine(
            uri,
            poolclass=sqlalchemy.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": CONNECT_SECONDS},
        )
    except ModuleNotFoundError as error:
        raise TrackingError(f"{redact(uri)}: needs {error.name}. Run: pip install -e '.[server]'") from None
