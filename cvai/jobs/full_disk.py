"""Full or failing local disks: steps that write to them wait until there is space."""

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
def disk_errors_retried() -> Iterator[None]:
    """Turn errors of a full or failing local disk into one that is retried.

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
            "Free disk space or repair it; the job waits and resumes by itself.",
        ) from error


def is_full(error: BaseException | None) -> bool:
    """Whether a database driver reports a full or failing disk."""
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in SQLITE_UNWELL
    return getattr(error, "sqlstate", None) in POSTGRES_UNWELL


def is_disk_failure(error: TemporarilyUnavailable) -> bool:
    """Whether the cause is a full or failing disk, local or of the jobs' database."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in DISK_UNWELL:
        return True
    return is_full(getattr(cause, "orig", cause))


def wait_while_disk_full(database: sqlalchemy.Engine) -> None:
    """Make DBOS wait while the disk of its database is full, as it does for an unreachable database.

    Otherwise the job whose step has just ended would break and stay "running". DBOS retries on connection
    timeouts, so a full disk is raised as one.

    Args:
        database: the engine that DBOS uses.
    """

    @sqlalchemy.event.listens_for(database, "handle_error")
    def raise_as_timeout(context: ExceptionContext) -> None:
        if _waits.get() and is_full(context.original_exception):
            raise sqlalchemy.exc.TimeoutError("the disk of the jobs' database is full")


@contextmanager
def fail_on_full_disk() -> Iterator[None]:
    """Raise on a full disk instead of waiting, for callers that must not block."""
    token = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(token)
