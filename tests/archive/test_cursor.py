"""A cursor on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvai.archive.cursor import CursorFile
from cvai.errors import ConfigurationInvalid


def test_a_cursor_is_what_was_saved_last(tmp_path: Path) -> None:
    cursor = CursorFile(tmp_path / "feed" / "cursor.json")
    assert cursor.load() == {}
    cursor.save({"since": 1})
    cursor.save({"since": 2})
    assert cursor.load() == {"since": 2}


def test_a_damaged_cursor_is_told_and_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "cursor.json").write_text("{")
    with pytest.raises(ConfigurationInvalid, match="not JSON"):
        CursorFile(tmp_path / "cursor.json").load()
