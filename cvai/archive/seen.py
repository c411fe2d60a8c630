"""How many instances each study had when it was last announced: the memory of a feed that has no events."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from cvai.errors import ConfigurationInvalid, TemporarilyUnavailable

WAIT_S = 5.0
"""For another process that writes to the same file."""

TABLE = (
    "CREATE TABLE IF NOT EXISTS seen (study_uid TEXT PRIMARY KEY, instances INTEGER NOT NULL) WITHOUT ROWID"
)


class SeenCounts:
    """Instance counts by study in a small SQLite file.

    An archive of a million studies has a million counts, of which a few change: a table is written where they
    changed, a JSON cursor would be written whole. The file is made when the first count is saved.

    Raises:
        ConfigurationInvalid: the file is not such a table.
        TemporarilyUnavailable: the disk is full, or another process holds the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def changed(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Those of the counts that are not the saved ones."""
        if not self._path.exists():
            return dict(counts)
        with self._table() as table:
            return {uid: count for uid, count in counts.items() if _saved(table, uid) != count}

    def save(self, counts: Mapping[str, int]) -> None:
        """Remember counts; they stand on disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._table() as table, table:
            table.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", counts.items())

    @contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=WAIT_S)) as connection:
                connection.execute(TABLE)
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


def _saved(table: sqlite3.Connection, study_uid: str) -> int | None:
    row = table.execute("SELECT instances FROM seen WHERE study_uid = ?", (study_uid,)).fetchone()
    return None if row is None else int(row[0])
