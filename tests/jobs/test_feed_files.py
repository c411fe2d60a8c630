"""Memories of feeds that earlier releases kept in files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cvai.archive.cursor import CursorFile, CursorRow
from cvai.archive.seen import SeenStudies
from cvai.errors import ConfigurationInvalid
from cvai.jobs.feed_files import take_over_feed_files
from tests.standin import memory_below


def write_seen(path: Path, rows: dict[str, int]) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        columns = "study_uid TEXT PRIMARY KEY, instances INTEGER NOT NULL"
        file.execute(f"CREATE TABLE seen ({columns}) WITHOUT ROWID")
        file.executemany("INSERT INTO seen VALUES (?, ?)", rows.items())


@pytest.mark.parametrize("feed", ["folder", "dicomweb"])
def test_studies_remembered_in_a_file_are_remembered_in_the_database(feed: str, tmp_path: Path) -> None:
    path = tmp_path / f"feed-{feed}.sqlite"
    rows = {f"1.{number}": number for number in range(3000)}
    write_seen(path, rows)
    database = memory_below(tmp_path)
    take_over_feed_files(tmp_path, database, feed)
    assert SeenStudies(database, feed).changed({**rows, "1.7": 8}) == {"1.7": 8}
    assert not path.exists()


def test_a_cursor_in_a_file_is_the_cursor_in_the_database(tmp_path: Path) -> None:
    CursorFile(tmp_path / "feed-orthanc.json").save({"since": 5, "watched": [], "looked": 4})
    database = memory_below(tmp_path)
    take_over_feed_files(tmp_path, database, "orthanc")
    assert CursorRow(database, "orthanc").load() == {"since": 5, "watched": [], "looked": 4}
    assert not (tmp_path / "feed-orthanc.json").exists()


def test_an_old_file_changes_nothing_in_a_database_that_remembers(tmp_path: Path) -> None:
    database = memory_below(tmp_path)
    SeenStudies(database, "folder").save({"1.1": 1})
    CursorRow(database, "orthanc").save({"since": 9})
    write_seen(tmp_path / "feed-folder.sqlite", {"1.1": 2, "1.2": 3})
    CursorFile(tmp_path / "feed-orthanc.json").save({"since": 5})
    for feed in ("folder", "orthanc"):
        take_over_feed_files(tmp_path, database, feed)
    assert SeenStudies(database, "folder").changed({"1.1": 1, "1.2": 3}) == {"1.2": 3}
    assert CursorRow(database, "orthanc").load() == {"since": 9}


def test_a_damaged_file_is_told_and_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "feed-folder.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigurationInvalid) as caught:
        take_over_feed_files(tmp_path, memory_below(tmp_path), "folder")
    assert caught.value.code == "cursor_unreadable"


def test_without_files_nothing_happens(tmp_path: Path) -> None:
    for feed in ("folder", "orthanc", "dicomweb"):
        take_over_feed_files(tmp_path, memory_below(tmp_path), feed)
