"""A feed's cursor on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cvai.archive.port import Cursor
from cvai.errors import ConfigurationInvalid


class CursorFile:
    """Keeps one cursor in a small JSON file, replaced whole: a crash leaves the old one or the new one."""

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
        """Store ``cursor``; it stands on disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f".{self._path.name}.part")
        with partial.open("w") as file:
            json.dump(dict(cursor), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
