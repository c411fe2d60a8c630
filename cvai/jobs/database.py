"""The jobs' database, as the parts of the engine open it that do not go through DBOS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from cvai.errors import TemporarilyUnavailable

WAIT_S = 10
"""For somebody else who writes, and for a server that does not answer."""


def open_database(url: str) -> sqlalchemy.Engine:
    """An engine for the database of this URL, SQLite or PostgreSQL; connects to nothing yet."""
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlalchemy.create_engine(parsed, connect_args={"timeout": WAIT_S})
    server = parsed.set(drivername="postgresql+psycopg")
    # A worker frozen inside a transaction must not hold the others up: the server ends it.
    options = f"-c idle_in_transaction_session_timeout={WAIT_S}s -c statement_timeout={WAIT_S}s"
    connect_args = {"connect_timeout": WAIT_S, "options": options}
    return sqlalchemy.create_engine(server, pool_pre_ping=True, connect_args=connect_args)


@contextmanager
def answering() -> Iterator[None]:
    """Turn what the database raises into the error of somebody who is waited for.

    Raises:
        TemporarilyUnavailable: ``database_unavailable``.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise TemporarilyUnavailable(
            "database_unavailable",
            f"the jobs' database does not answer ({type(error).__name__}).",
            "Check database_url, and the disk of the database.",
        ) from error
