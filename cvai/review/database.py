"""The page's own small database: readers, sessions, drafts and decisions, beside the jobs."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cvai.files import private_file, private_folder

SCHEMA = """
CREATE TABLE IF NOT EXISTS readers (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    person_name TEXT NOT NULL,
    token_sha256 TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    reader TEXT NOT NULL UNIQUE REFERENCES readers (name) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    key_sha256 TEXT PRIMARY KEY,
    reader TEXT NOT NULL REFERENCES readers (name) ON DELETE CASCADE,
    csrf TEXT NOT NULL,
    begun_s REAL NOT NULL,
    seen_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS drafts (
    job_id TEXT NOT NULL,
    reader TEXT NOT NULL REFERENCES readers (name) ON DELETE CASCADE,
    saved_s REAL NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job_id, reader)
) STRICT;
CREATE TABLE IF NOT EXISTS decisions (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    reader TEXT NOT NULL,
    reading TEXT NOT NULL,
    comparison TEXT NOT NULL,
    queued INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS decisions_of_job ON decisions (job_id, number);
"""


class Database:
    """One SQLite file, used by every thread of the page, one transaction at a time.

    Args:
        path: made where it does not exist.
    """

    def __init__(self, path: Path) -> None:
        private_folder(path.parent)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(private_file(path), check_same_thread=False, timeout=30.0)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; {SCHEMA}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is done within, or nothing of it."""
        with self._lock, self._connection:
            yield self._connection

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()
