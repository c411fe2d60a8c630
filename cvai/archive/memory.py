"""What feeds remember, kept in the jobs' database.

The jobs and how far an archive has been followed are one state: a database that is restored, rolled back or
lost takes both along, so no feed ever remembers a study whose job is gone.
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
    """Make the tables of feeds where they are missing."""
    with suppress(DBAPIError):  # another worker made them between the look and the making
        TABLES.create_all(database)


@contextmanager
def transaction(database: Engine) -> Iterator[Connection]:
    """All of what is done within, or nothing of it.

    Raises:
        TemporarilyUnavailable: the database does not answer, is full, or somebody else holds it.
    """
    try:
        with database.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise TemporarilyUnavailable(
            "feed_memory_unavailable",
            f"the jobs' database does not take what the feed remembers ({type(error).__name__}).",
            "Check that its disk is not full, and that it answers.",
        ) from error
