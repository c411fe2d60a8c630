"""Access to the jobs' database that does not go through DBOS."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cvai.errors import TemporarilyUnavailable

WAIT_S = 10
"""For locks held by other writers, and for an unresponsive server."""

PAGE_CACHE_KIB = 256
"""Of a connection to SQLite. The default is 2 MiB, and a service at work has ten and more connections: as the
file grows, their caches would fill for thousands of studies without making anything faster."""


class SmallCacheConnection(sqlite3.Connection):
    """A connection to SQLite with a page cache of ``PAGE_CACHE_KIB``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")


def open_database(url: str) -> sqlalchemy.Engine:
    """An engine for the database of this URL, SQLite or PostgreSQL; connects to nothing yet."""
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        connect_args: dict[str, Any] = {"timeout": WAIT_S, "factory": SmallCacheConnection}
        return sqlalchemy.create_engine(parsed, connect_args=connect_args)
    server = parsed.set(drivername="postgresql+psycopg")
    # The server ends the transaction of a frozen worker, which would block the others.
    options = f"-c idle_in_transaction_session_timeout={WAIT_S}s -c statement_timeout={WAIT_S}s"
    connect_args = {"connect_timeout": WAIT_S, "options": options}
    return sqlalchemy.create_engine(server, pool_pre_ping=True, connect_args=connect_args)


def create_where_missing(table: sqlalchemy.Table, database: sqlalchemy.Engine) -> None:
    """Create a table that the database does not have, whoever else does so at the same time."""
    with suppress(DBAPIError):  # created by another worker since it was checked
        table.create(database, checkfirst=True)


@contextmanager
def answering() -> Iterator[None]:
    """Turn errors of the database into one that is retried.

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
