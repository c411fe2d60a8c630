"""Jobs in PostgreSQL, dumped and put back by its own programs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from cvai.errors import ConfigurationInvalid, CvaiError, TemporarilyUnavailable
from cvai.jobs.database import open_database
from cvai.jobs.worker_registry import WorkerRegistry
from cvai.ops.backup.databases import PostgresDump, restore_postgres
from cvai.ops.backup.make import BackupPart, make_backup
from cvai.ops.backup.places import Places
from cvai.ops.backup.restore import restore_backup
from cvai.review.server import DATABASE_NAME
from tests.ops.backup.conftest import State
from tests.postgres import fresh_database, needs_postgres

pytestmark = [pytest.mark.servers, needs_postgres]


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    with fresh_database(postgres_server) as made:
        yield made


def rows(url: str, table: str = "t") -> list[int]:
    with psycopg.connect(url) as connection:
        return [n for (n,) in connection.execute(f"SELECT n FROM {table} ORDER BY n")]  # noqa: S608


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_dump_is_the_database_as_of_the_moment_it_was_asked_for(url: str, tmp_path: Path) -> None:
    execute(url, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
    dump = PostgresDump(url)
    execute(url, "INSERT INTO t VALUES (2)")
    dump.write(tmp_path / "dump")
    dump.close()
    execute(url, "DELETE FROM t", "INSERT INTO t VALUES (3)")
    restore_postgres(url, tmp_path / "dump")
    assert rows(url) == [1]


def test_a_dump_that_cannot_be_put_back_changes_nothing(url: str, tmp_path: Path) -> None:
    execute(url, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
    (tmp_path / "dump").write_bytes(b"PGDMP nothing")
    with pytest.raises(TemporarilyUnavailable) as caught:
        restore_postgres(url, tmp_path / "dump")
    assert caught.value.code == "pg_tool_failed"
    assert rows(url) == [1]


def test_a_server_that_is_away_is_told(url: str) -> None:
    away = sqlalchemy.make_url(url).set(port=1).render_as_string(hide_password=False)
    with pytest.raises(TemporarilyUnavailable) as caught:
        PostgresDump(away)
    assert caught.value.code == "database_unavailable"


@pytest.fixture
def served(state: State, url: str) -> State:
    """The state of a service whose jobs are on the server."""
    (state.data / "jobs.sqlite").unlink()
    state.configure(f'database_url = "{url}"')
    execute(url, "CREATE SCHEMA dbos", "CREATE TABLE dbos.workflow_status (n int)")
    execute(url, "INSERT INTO dbos.workflow_status VALUES (1)")
    return state


def test_jobs_on_a_server_are_backed_up_and_put_back(served: State, url: str) -> None:
    manifest = served.make()
    assert manifest.jobs == "postgresql"
    execute(url, "UPDATE dbos.workflow_status SET n = 2")
    shutil.rmtree(served.data)
    with pytest.raises(CvaiError) as caught:
        served.restore()
    assert caught.value.code == "jobs_database_not_empty"
    assert rows(url, "dbos.workflow_status") == [2]
    served.restore(replace=True)
    assert rows(url, "dbos.workflow_status") == [1]
    assert served.readers() == ["hart"]


def test_beside_a_worker_of_another_machine_nothing_is_restored(served: State, url: str) -> None:
    database = open_database(url)
    registry = WorkerRegistry(database)
    worker = registry.register("worker-2", "another machine")
    served.make()
    settings, places = served.settings, served.places

    def beats(_: float) -> None:
        registry.beat(worker)

    with pytest.raises(ConfigurationInvalid) as caught:
        restore_backup(served.backup, settings, places, replace=True, wait=beats)
    assert caught.value.code == "service_running"
    served.restore(replace=True)
    assert registry.living() == {}, "who was at work when the copy was made is not any more"
    database.dispose()


def test_without_the_programs_of_postgresql_it_says_what_to_do(
    served: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.make()
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(ConfigurationInvalid) as caught:
        served.restore(replace=True)
    assert caught.value.code == "pg_tools_missing"
    served.backup = served.root / "another"
    with pytest.raises(ConfigurationInvalid) as caught:
        served.make()
    assert "--without database" in caught.value.hint
    manifest = make_backup(
        served.settings,
        Places.of(served.settings, served.config, DATABASE_NAME),
        served.backup,
        frozenset({BackupPart.DATABASE}),
    )
    assert manifest.jobs == "left_out"
