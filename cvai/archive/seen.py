"""What each study was like when it was last announced: the memory of a feed that has no events."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from cvai.errors import ConfigurationInvalid, TemporarilyUnavailable

WAIT_S = 5.0
"""For another process that writes to the same file."""


class SeenStudies:
    """One number by study in a small SQLite file.

    An archive of a million studies has a million of them, of which a few change: a table is written where
    they changed, a JSON cursor would be kept in memory and written whole. The file is made when the first is
    saved.

    Args:
        path: of the file.
        number: what is remembered: how many instances there were, or when the study's folder had changed.

    Raises:
        ConfigurationInvalid: the file is not such a table.
        TemporarilyUnavailable: the disk is full, or another process holds the file.
    """

    def __init__(self, path: Path, number: Literal["instances", "changed_ns"]) -> None:
        self._path = path
        self._number = number

    def changed(self, studies: Mapping[str, int]) -> dict[str, int]:
        """Those of the studies whose number is not the saved one."""
        if not self._path.exists():
            return dict(studies)
        with self._table() as table:
            return {uid: number for uid, number in studies.items() if self._saved(table, uid) != number}

    def save(self, studies: Mapping[str, int]) -> None:
        """Remember these; they stand on disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._table() as table, table:
            table.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", studies.items())

    def _saved(self, table: sqlite3.Connection, study_uid: str) -> int | None:
        # The name is one of two of the code's own, see __init__.
        query = f"SELECT {self._number} FROM seen WHERE study_uid = ?"  # noqa: S608
        row = table.execute(query, (study_uid,)).fetchone()
        return None if row is None else int(row[0])

    @contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=WAIT_S)) as connection:
                columns = f"study_uid TEXT PRIMARY KEY, {self._number} INTEGER NOT NULL"
                connection.execute(f"CREATE TABLE IF NOT EXISTS seen ({columns}) WITHOUT ROWID")
                yield connection
        except sqlite3.OperationalError as error:
            raise TemporarilyUnavailable(
                "feed_memory_unavailable",
                f"the feed's memory {self._path.name} cannot be used ({error.sqlite_errorname}).",
                "Check that the data folder is not full, and that nobody else holds the file.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise ConfigurationInvalid(
                "cursor_unreadable",
                f"the feed's memory {self._path.name} is damaged ({error.sqlite_errorname}).",
                "Move it away: every study is then announced again, and none is analysed twice.",
            ) from error
