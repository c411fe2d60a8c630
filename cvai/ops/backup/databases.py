"""Copies of databases that are in use, each as it stood at one moment."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import sqlalchemy
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL

from cvai.errors import ConfigurationInvalid, TemporarilyUnavailable

WAIT_S = 30.0
"""For another process that writes."""

SQLITE_MAGIC = b"SQLite format 3\0"
SIDE_FILES = ("-wal", "-shm", "-journal")
PAGES_AT_ONCE = 4096


def is_sqlite(path: Path) -> bool:
    """Whether a file is an SQLite database, whatever it is called."""
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def jobs_file(url: str) -> Path | None:
    """The file of an SQLite database of jobs, None for a server."""
    parsed = sqlalchemy.make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


@contextmanager
def standing_still(path: Path) -> Iterator[None]:
    """Nobody writes to this SQLite database while the block lasts; others read on.

    Raises:
        TemporarilyUnavailable: somebody else has held it for too long.
    """
    with closing(_opened(path)) as connection, answering(path):
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.rollback()


@contextmanager
def sqlite_as_of_now(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees this SQLite database as it stands when the block is entered.

    Raises:
        TemporarilyUnavailable: somebody else has held it for too long.
    """
    with closing(_opened(path)) as connection, answering(path):
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection
        connection.rollback()


def copy_sqlite(source: sqlite3.Connection, target: Path) -> None:
    """Write what a connection sees into a new file, by SQLite's online backup.

    Raises:
        TemporarilyUnavailable: the disk is full or fails; nothing is left of the copy.
    """
    target.touch(mode=0o600, exist_ok=False)
    try:
        with answering(target), closing(sqlite3.connect(target)) as copy:
            # The copy is forced to disk with all others, at the end.
            copy.execute("PRAGMA synchronous=OFF")
            source.backup(copy, pages=PAGES_AT_ONCE)
    except BaseException:
        target.unlink()
        raise


def require_sound(path: Path) -> None:
    """Return when the structure of an SQLite database without writers is sound.

    Raises:
        ConfigurationInvalid: ``database_damaged``.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as copy:
            (said,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError:
        said = "unreadable"
    if said != "ok":
        raise ConfigurationInvalid(
            "database_damaged",
            f"the database {path.name} is damaged.",
            "Take an earlier backup; check the disk.",
        )


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into the error of somebody who is waited for."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise TemporarilyUnavailable(
            "database_unavailable",
            f"the database {path.name} cannot be copied ({error.sqlite_errorname}).",
            "Check the disk, and that no other process holds the file; then ask again.",
        ) from error


def _opened(path: Path) -> sqlite3.Connection:
    """Never makes the file."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with answering(path):
        return sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None)


class PostgresDump:
    """A PostgreSQL database as it stands when the object is made, until it is closed.

    Args:
        url: SQLAlchemy URL.

    Raises:
        ConfigurationInvalid: ``pg_tools_missing``: pg_dump is not installed.
        TemporarilyUnavailable: the server does not answer.
    """

    def __init__(self, url: str) -> None:
        self._program = _program("pg_dump")
        self._url = sqlalchemy.make_url(url)
        with ExitStack() as stack:
            self._connection = stack.enter_context(_connected(self._url))
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            # The snapshot lives as long as this transaction, which is idle meanwhile.
            self._connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            row = self._connection.execute("SELECT pg_export_snapshot()").fetchone()
            self._snapshot = "" if row is None else str(row[0])
            self._leaving = stack.pop_all()

    def write(self, target: Path) -> None:
        """Dump the database into a new file.

        Raises:
            TemporarilyUnavailable: ``pg_tool_failed``.
        """
        target.touch(mode=0o600, exist_ok=False)
        command = [self._program, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}"]
        _run([*command, f"--snapshot={self._snapshot}", f"--dbname={_named(self._url)}"], self._url)

    def close(self) -> None:
        """Let the snapshot go."""
        self._leaving.close()


def restore_postgres(url: str, dump: Path) -> None:
    """Put a dump into a database, in one transaction; what stood there of the same names is replaced.

    Raises:
        ConfigurationInvalid: ``pg_tools_missing``.
        TemporarilyUnavailable: ``pg_tool_failed``; nothing was changed.
    """
    command = [_program("pg_restore"), "--clean", "--if-exists", "--no-owner", "--no-privileges"]
    parsed = sqlalchemy.make_url(url)
    _run([*command, "--single-transaction", f"--dbname={_named(parsed)}", str(dump)], parsed)


def require_pg_restore() -> None:
    """Return when pg_restore is installed.

    Raises:
        ConfigurationInvalid: ``pg_tools_missing``.
    """
    _program("pg_restore")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigurationInvalid(
            "pg_tools_missing",
            f"{name} is not installed; the jobs are kept in PostgreSQL.",
            "Install the PostgreSQL client of the server's version, or use --without database and copy the "
            "database with the server's own means, before the rest: see docs/howto/backup.md.",
        )
    return found


def _parameters(url: URL) -> dict[str, str]:
    """Connection parameters of libpq without the password."""
    named = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database, **url.query}
    single = {key: value[-1] if isinstance(value, tuple) else value for key, value in named.items()}
    return {key: str(value) for key, value in single.items() if value is not None}


def _named(url: URL) -> str:
    return make_conninfo("", **_parameters(url))


def _connected(url: URL) -> psycopg.Connection[tuple[object, ...]]:
    secret = {} if url.password is None else {"password": str(url.password)}
    named = make_conninfo("", connect_timeout=int(WAIT_S), **_parameters(url), **secret)
    try:
        return psycopg.connect(named, autocommit=True)
    except psycopg.OperationalError as error:
        raise TemporarilyUnavailable(
            "database_unavailable",
            "the jobs' database does not answer.",
            "Check database_url, and that PostgreSQL runs.",
        ) from error


def _run(command: list[str], url: URL) -> None:
    """Run a program of PostgreSQL; the password is in its environment, which only its user can read."""
    password = {} if url.password is None else {"PGPASSWORD": str(url.password)}
    environment = {**os.environ, **password}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[0]
        raise TemporarilyUnavailable(
            "pg_tool_failed",
            f"{Path(command[0]).name} ended with {done.returncode} and said: {said}",
            "It has to be of the server's version or newer, and its user the owner of the database.",
        )
