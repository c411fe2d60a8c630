"""What feeds remember, in SQLite and in PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from cvai.archive.cursor import CursorRow
from cvai.archive.seen import ASKED_AT_ONCE, SeenStudies
from cvai.errors import TemporarilyUnavailable
from cvai.jobs.database import open_database
from tests.postgres import fresh_database, needs_postgres
from tests.standin import memory_below


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[needs_postgres, pytest.mark.servers])])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = memory_below(tmp_path)
    else:
        with fresh_database(request.getfixturevalue("postgres_server")) as url:
            made = open_database(url)
    yield made
    made.dispose()


def test_a_study_has_changed_until_its_number_is_saved(database: Engine) -> None:
    seen = SeenStudies(database, "folder")
    assert seen.empty
    assert seen.changed({"1.1": 1, "1.2": 2**62}) == {"1.1": 1, "1.2": 2**62}
    seen.save({"1.1": 1, "1.2": 2**62})
    seen.save({"1.1": 3})
    assert SeenStudies(database, "folder").changed({"1.1": 3, "1.2": 2**62, "1.3": 1}) == {"1.3": 1}
    assert not seen.empty


def test_more_studies_than_one_statement_asks_for(database: Engine) -> None:
    seen = SeenStudies(database, "folder")
    studies = {f"1.{n}": n for n in range(2 * ASKED_AT_ONCE + 3)}
    seen.save(studies)
    changed = {f"1.{n}": -1 for n in (0, ASKED_AT_ONCE - 1, ASKED_AT_ONCE, 2 * ASKED_AT_ONCE + 2)}
    assert seen.changed(studies | changed) == changed


def test_nothing_asked_is_nothing_changed(database: Engine) -> None:
    seen = SeenStudies(database, "folder")
    seen.save({})
    assert seen.changed({}) == {}


def test_any_number_of_studies_is_asked_for_in_a_few_statements(tmp_path: Path) -> None:
    """Connections keep statements prepared; one for each length took 22 MB each by a thousand studies."""
    database, statements = memory_below(tmp_path), set[str]()
    seen = SeenStudies(database, "folder")
    event.listen(database, "before_cursor_execute", lambda *called: statements.add(called[2]))
    for length in range(1, 301):
        studies = {f"1.{n}": n for n in range(length)}
        seen.save({f"1.{length - 1}": length - 1})
        assert seen.changed(studies | {"2": 0}) == {"2": 0}
    database.dispose()
    assert sum(statement.startswith("SELECT") for statement in statements) <= 8


def test_a_feed_knows_nothing_of_what_another_remembers(database: Engine) -> None:
    SeenStudies(database, "folder").save({"1.1": 1})
    assert SeenStudies(database, "dicomweb").changed({"1.1": 1}) == {"1.1": 1}


def test_a_cursor_is_what_was_saved_last(database: Engine) -> None:
    cursor = CursorRow(database, "orthanc")
    assert cursor.load() == {}
    cursor.save({"since": 1})
    cursor.save({"since": 2, "watched": ["a"]})
    assert CursorRow(database, "orthanc").load() == {"since": 2, "watched": ["a"]}
    assert CursorRow(database, "other").load() == {}


def test_a_database_that_is_damaged_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "seen.sqlite").write_bytes(b"no database at all" * 100)
    seen = SeenStudies(memory_below(tmp_path), "folder")
    with pytest.raises(TemporarilyUnavailable) as caught:
        seen.changed({"1.1": 1})
    assert caught.value.code == "feed_memory_unavailable"


def test_a_database_held_by_another_process_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvai.jobs.database.WAIT_S", 0.1)
    seen = SeenStudies(memory_below(tmp_path), "dicomweb")
    seen.save({"1.1": 1})
    with closing(sqlite3.connect(tmp_path / "seen.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TemporarilyUnavailable, match="OperationalError"):
            seen.save({"1.1": 2})
    seen.save({"1.1": 2})
    assert seen.changed({"1.1": 2, "1.2": 1}) == {"1.2": 1}
