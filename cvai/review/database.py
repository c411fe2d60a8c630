"""The page's own small database: readers, sessions, drafts and decisions, beside the jobs."""

from __future__ import annotations

import sqlite3
import threading
import zlib
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
CREATE TABLE IF NOT EXISTS sign_ins (
    reader TEXT PRIMARY KEY REFERENCES readers (name) ON DELETE CASCADE,
    last_s REAL NOT NULL
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

CREATE TABLE IF NOT EXISTS looks (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    ended_ms INTEGER NOT NULL,
    reader TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS looks_of_job ON looks (job_id, number);

CREATE TABLE IF NOT EXISTS statements (
    number INTEGER PRIMARY KEY,
    about TEXT NOT NULL,
    kind TEXT NOT NULL,
    reader TEXT NOT NULL,
    person_name TEXT NOT NULL,
    at TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS statements_about ON statements (about, kind, number);
"""

LISTED = """
CREATE TABLE IF NOT EXISTS listed (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    study_uid TEXT NOT NULL,
    kind TEXT NOT NULL,
    job_state TEXT NOT NULL,
    queued_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    code TEXT NOT NULL,
    message TEXT NOT NULL CHECK (json_valid(message)),
    hint TEXT NOT NULL CHECK (json_valid(hint)),
    view TEXT NOT NULL,
    model TEXT NOT NULL,
    patient TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    patient_name TEXT NOT NULL,
    study_date TEXT NOT NULL,
    description TEXT NOT NULL,
    accession TEXT NOT NULL,
    main TEXT NOT NULL,
    main_name TEXT NOT NULL,
    value REAL,
    warnings INTEGER NOT NULL,
    warning TEXT NOT NULL CHECK (json_valid(warning)),
    speaks INTEGER NOT NULL DEFAULT 0,
    verdict TEXT NOT NULL DEFAULT '',
    reader TEXT NOT NULL DEFAULT '',
    signed REAL,
    drafted INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL GENERATED ALWAYS AS (CASE
        WHEN verdict <> '' THEN verdict
        WHEN drafted THEN 'draft'
        WHEN job_state IN ('queued', 'running') THEN 'in progress'
        WHEN job_state IN ('analysed', 'superseded') THEN 'to read'
        WHEN job_state IN ('refused', 'withheld') THEN job_state
        WHEN job_state IN ('nothing_to_do', 'canceled') THEN 'nothing to read'
        ELSE 'failed' END) STORED,
    tab TEXT NOT NULL GENERATED ALWAYS AS (CASE
        WHEN NOT speaks THEN ''
        WHEN verdict <> '' THEN 'signed'
        WHEN state IN ('draft', 'to read') THEN 'unread'
        WHEN state IN ('refused', 'withheld', 'failed') THEN 'refused'
        WHEN state = 'nothing to read' THEN 'other'
        ELSE 'waiting' END) STORED,
    is_row INTEGER NOT NULL GENERATED ALWAYS AS (tab NOT IN ('', 'other')) STORED,
    is_flagged INTEGER NOT NULL GENERATED ALWAYS AS (tab NOT IN ('', 'other') AND warnings > 0) STORED
) STRICT;
CREATE INDEX IF NOT EXISTS listed_by_study ON listed (study_uid, queued_ms);
CREATE INDEX IF NOT EXISTS listed_by_patient ON listed (patient_id, main_name, study_date);
CREATE INDEX IF NOT EXISTS listed_unended ON listed (job_state) WHERE job_state IN ('queued', 'running');
CREATE INDEX IF NOT EXISTS listed_newest ON listed (queued_ms);
CREATE INDEX IF NOT EXISTS listed_counts ON listed (tab, is_flagged);
CREATE INDEX IF NOT EXISTS listed_arrived ON listed (is_row, queued_ms);
CREATE INDEX IF NOT EXISTS listed_names ON listed (is_row, patient_name);
CREATE INDEX IF NOT EXISTS listed_dates ON listed (is_row, study_date);
CREATE INDEX IF NOT EXISTS listed_values ON listed (is_row, value);
CREATE INDEX IF NOT EXISTS listed_tabs ON listed (tab, queued_ms);
CREATE INDEX IF NOT EXISTS listed_flagged ON listed (is_flagged, queued_ms);
CREATE INDEX IF NOT EXISTS listed_kinds ON listed (is_row, view, model, queued_ms);

CREATE TABLE IF NOT EXISTS listed_words (
    word TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES listed (number) ON DELETE CASCADE,
    PRIMARY KEY (word, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS words_of_listed ON listed_words (number);

CREATE TRIGGER IF NOT EXISTS listed_decided AFTER INSERT ON decisions BEGIN
    UPDATE listed SET
        verdict = json_extract(new.reading, '$.verdict'),
        reader = new.reader,
        signed = json_extract(new.comparison, '$.measured."' || main_name || '"[1]')
    WHERE job_id = new.job_id;
END;
CREATE TRIGGER IF NOT EXISTS listed_looked_at AFTER INSERT ON looks BEGIN
    UPDATE listed SET verdict = new.verdict, reader = new.reader
    WHERE job_id = new.job_id AND ended_ms = new.ended_ms;
END;
CREATE TRIGGER IF NOT EXISTS listed_done_again AFTER UPDATE OF ended_ms ON listed
WHEN new.ended_ms IS NOT old.ended_ms BEGIN
    UPDATE listed SET verdict = '', reader = ''
    WHERE number = new.number AND verdict IN ('looked at', 'dismissed');
END;
CREATE TRIGGER IF NOT EXISTS listed_looked_at_again AFTER INSERT ON listed BEGIN
    UPDATE listed SET verdict = looks.verdict, reader = looks.reader
    FROM looks
    WHERE listed.number = new.number AND looks.number =
        (SELECT max(number) FROM looks WHERE job_id = new.job_id AND ended_ms = new.ended_ms)
        AND NOT EXISTS (SELECT 1 FROM decisions WHERE job_id = new.job_id);
END;
CREATE TRIGGER IF NOT EXISTS listed_drafted AFTER INSERT ON drafts BEGIN
    UPDATE listed SET drafted = 1 WHERE job_id = new.job_id;
END;
CREATE TRIGGER IF NOT EXISTS listed_draft_gone AFTER DELETE ON drafts BEGIN
    UPDATE listed SET drafted = EXISTS (SELECT 1 FROM drafts WHERE job_id = old.job_id)
    WHERE job_id = old.job_id;
END;
CREATE TRIGGER IF NOT EXISTS listed_again AFTER INSERT ON listed BEGIN
    UPDATE listed SET
        verdict = json_extract(decisions.reading, '$.verdict'),
        reader = decisions.reader,
        signed = json_extract(decisions.comparison, '$.measured."' || main_name || '"[1]')
    FROM decisions
    WHERE listed.number = new.number AND decisions.number =
        (SELECT max(number) FROM decisions WHERE job_id = new.job_id);
    UPDATE listed SET drafted = 1
    WHERE number = new.number AND EXISTS (SELECT 1 FROM drafts WHERE job_id = new.job_id);
END;
"""
"""``listed`` holds what the worklist shows of each job, see ``Listing``. It is made from jobs, their results,
decisions and drafts; triggers keep it in step with decisions and drafts, whoever writes them."""


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
        self._drop_former_listing()
        self._connection.executescript(LISTED)

    def _drop_former_listing(self) -> None:
        """Of another version of cvai: its states may be others, and ``Listing`` makes it again."""
        version = zlib.crc32(LISTED.encode()) >> 1  # a signed number of 32 bits
        if self._connection.execute("PRAGMA user_version").fetchone()[0] == version:
            return
        triggers = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'listed%'"
        ).fetchall()
        drops = [f"DROP TRIGGER IF EXISTS {row['name']};" for row in triggers]
        drops += ["DROP TABLE IF EXISTS listed_words;", "DROP TABLE IF EXISTS listed;"]
        self._connection.executescript(
            f"BEGIN IMMEDIATE; {' '.join(drops)} PRAGMA user_version = {version}; COMMIT;"
        )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is done within, or nothing of it."""
        with self._lock, self._connection:
            yield self._connection

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()
