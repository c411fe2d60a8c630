"""Persistent cursors: a row of the jobs' database, or a small file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, delete, insert, select

from cvai.archive.memory import CURSORS, make_tables, transaction
from cvai.archive.port import Cursor
from cvai.errors import ConfigurationInvalid
from cvai.files import private_folder, write_whole


class KeptCursor(Protocol):
    """Stores one cursor atomically."""

    def load(self) -> dict[str, object]:
        """The stored cursor; empty when none has been stored."""
        ...

    def save(self, cursor: Cursor) -> None:
        """Store ``cursor``; it is durable when this returns."""
        ...


class CursorRow:
    """The cursor of a feed in the jobs' database; see ``KeptCursor``.

    Args:
        database: where jobs are kept; the table is created when missing.
        feed: name of the feed.

    Raises:
        TemporarilyUnavailable: the database does not answer; also all below.
    """

    def __init__(self, database: Engine, feed: str) -> None:
        self._database = database
        self._feed = feed
        make_tables(database)

    def load(self) -> dict[str, object]:
        """See ``KeptCursor.load``."""
        query = select(CURSORS.c.position).where(CURSORS.c.feed == self._feed)
        with transaction(self._database) as connection:
            stored = connection.execute(query).scalar()
        return {} if stored is None else dict(json.loads(stored))

    def save(self, cursor: Cursor) -> None:
        """See ``KeptCursor.save``."""
        with transaction(self._database) as connection:
            connection.execute(delete(CURSORS).where(CURSORS.c.feed == self._feed))
            row = {"feed": self._feed, "position": json.dumps(dict(cursor))}
            connection.execute(insert(CURSORS).values(**row))


class CursorFile:
    """One cursor in a small JSON file; see ``KeptCursor``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, object]:
        """The stored cursor; empty when none has been stored.

        Raises:
            ConfigurationInvalid: the file is not a cursor.
        """
        if not self._path.exists():
            return {}
        try:
            cursor = json.loads(self._path.read_text())
        except json.JSONDecodeError as error:
            raise ConfigurationInvalid(
                "cursor_unreadable",
                f"the feed's cursor {self._path.name} is not JSON.",
                "Move it away: every study is then announced again, and none is analysed twice.",
            ) from error
        return dict(cursor)

    def save(self, cursor: Cursor) -> None:
        """See ``KeptCursor.save``."""
        private_folder(self._path.parent)
        write_whole(self._path, json.dumps(dict(cursor)).encode(), durable=True)
