"""Migrates feed cursors that earlier releases kept in separate files into the jobs' database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog
from sqlalchemy import Engine

from cvai.archive.cursor import CursorFile, CursorRow
from cvai.archive.seen import SeenStudies
from cvai.errors import ConfigurationInvalid

log = structlog.get_logger(__name__)

SEEN_FILES = {"folder": "feed-folder.sqlite", "dicomweb": "feed-dicomweb.sqlite"}
CURSOR_FILES = {"orthanc": "feed-orthanc.json"}


def take_over_feed_files(data_folder: Path, database: Engine, feed: str) -> None:
    """Move the cursor of one feed from its file into the jobs' database, and remove the file.

    A cursor in the database is never overwritten by an older file.

    Args:
        data_folder: where the file may lie.
        database: where jobs are kept.
        feed: kind of the archive.

    Raises:
        ConfigurationInvalid: ``cursor_unreadable``: the file is damaged.
        TemporarilyUnavailable: the database does not answer.
    """
    if feed in SEEN_FILES and (path := data_folder / SEEN_FILES[feed]).is_file():
        _move_seen(path, SeenStudies(database, feed))
    if feed in CURSOR_FILES and (path := data_folder / CURSOR_FILES[feed]).is_file():
        _move_cursor(path, CursorRow(database, feed))


def _move_seen(path: Path, seen: SeenStudies) -> None:
    if not seen.empty:
        return
    try:
        with closing(sqlite3.connect(path)) as file:
            rows = dict(file.execute("SELECT * FROM seen"))
    except sqlite3.DatabaseError as error:
        raise ConfigurationInvalid(
            "cursor_unreadable",
            f"the feed's memory {path.name} is damaged ({error.sqlite_errorname}).",
            "Move it away: every study is then announced again, and none is analysed twice.",
        ) from error
    seen.save(rows)
    path.unlink()
    log.info("feed_memory_moved", studies=len(rows))


def _move_cursor(path: Path, row: CursorRow) -> None:
    if row.load():
        return
    row.save(CursorFile(path).load())
    path.unlink()
    log.info("feed_memory_moved")
