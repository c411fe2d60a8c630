"""A disk that takes no more: what is written to it waits until there is room."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import sqlalchemy
from sqlalchemy.engine import ExceptionContext

from cvai.errors import TemporarilyUnavailable

DISK_UNWELL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})

SQLITE_UNWELL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
"""Primary result codes; extended ones have more bits above them."""

POSTGRES_UNWELL = frozenset({"53100", "58030"})
"""SQLSTATE: disk_full, io_error."""

_waits: ContextVar[bool] = ContextVar("waits_for_room", default=True)


@contextmanager
def own_disk() -> Iterator[None]:
    """Turn a disk of this machine that takes no more into an error that is waited out.

    Raises:
        TemporarilyUnavailable: ``disk_unavailable``.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_UNWELL:
            raise
        raise TemporarilyUnavailable(
            "disk_unavailable",
            f"the disk of data_folder failed: {error.strerror}.",
            "Make room, or mend it; the job waits, and goes on by itself.",
        ) from error


def is_full(error: BaseException | None) -> bool:
    """Whether a database's driver says that its disk takes no more."""
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in SQLITE_UNWELL
    return getattr(error, "sqlstate", None) in POSTGRES_UNWELL


def wants_room(error: TemporarilyUnavailable) -> bool:
    """Whether it was raised because a disk of our own, or that of the jobs' database, takes no more."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in DISK_UNWELL:
        return True
    return is_full(getattr(cause, "orig", cause))


def wait_for_room(database: sqlalchemy.Engine) -> None:
    """Have DBOS wait while the disk of its database is full, as it waits for a database that is away.

    Otherwise the job whose step had just ended would break, and be left as running. DBOS waits where a
    connection is not to be had in time, so that is what it is told.

    Args:
        database: the engine that DBOS uses.
    """

    @sqlalchemy.event.listens_for(database, "handle_error")
    def tell_as_waited_for(context: ExceptionContext) -> None:
        if _waits.get() and is_full(context.original_exception):
            raise sqlalchemy.exc.TimeoutError("the disk of the jobs' database is full")


@contextmanager
def at_once() -> Iterator[None]:
    """Within, a full disk is an error: for who has others to look after."""
    token = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(token)
