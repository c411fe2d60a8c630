"""Tables of the feeds' state, in the jobs' database.

Jobs and feed positions are one state: restoring, rolling back or losing the database affects both, so no feed
ever has a study acknowledged whose job is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import BigInteger, Column, Connection, Engine, MetaData, String, Table, Text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cvai.errors import TemporarilyUnavailable

TABLES = MetaData()

STUDIES = Table(
    "cvai_feed_studies",
    TABLES,
    Column("feed", String, primary_key=True),
    Column("study_uid", String, primary_key=True),
    Column("number", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

CURSORS = Table(
    "cvai_feed_cursors",
    TABLES,
    Column("feed", String, primary_key=True),
    Column("position", Text, nullable=False),
)


def make_tables(database: Engine) -> None:
    """Create the feeds' tables where missing."""
    with suppress(DBAPIError):  # created by another worker since they were checked
        TABLES.create_all(database)


@contextmanager
def transaction(database: Engine) -> Iterator[Connection]:
    """A database transaction.

    Raises:
        TemporarilyUnavailable: the database does not answer, is full or locked.
    """
    try:
        with database.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise TemporarilyUnavailable(
            "feed_memory_unavailable",
            f"the feed's state cannot be read or written in the jobs' database ({type(error).__name__}).",
            "Check that its disk is not full, and that it answers.",
        ) from error
