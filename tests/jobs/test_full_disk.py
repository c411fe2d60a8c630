"""What is written to a full disk waits, and what must be written then has room kept for it."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cvai.audit.messages import Act, AuditEvent, AuditTrail
from cvai.audit.reserve import RELEASED_PER_WRITE, Reserve
from cvai.errors import TemporarilyUnavailable
from cvai.jobs.database import answering, open_database
from cvai.jobs.full_disk import (
    disk_errors_retried,
    fail_on_full_disk,
    is_disk_failure,
    is_full,
    wait_while_disk_full,
)
from cvai.jobs.job import JobState
from cvai.pipeline import StudyOutcome
from tests.conftest import ROOT
from tests.jobs.conftest import Bench
from tests.standin import analyse, derived_uid, write_study

STUDY = derived_uid("full disk")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    """A database that takes no more, as SQLite tells of a full disk."""
    database = open_database(f"sqlite:///{tmp_path / 'full.sqlite'}")
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")

    @sqlalchemy.event.listens_for(database, "connect")
    def take_no_more(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    database.dispose()
    yield database
    database.dispose()


def fill(database: sqlalchemy.Engine) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")


def test_a_database_on_a_full_disk_is_told_apart(full: sqlalchemy.Engine) -> None:
    with pytest.raises(OperationalError) as caught:
        fill(full)
    assert is_full(caught.value.orig)
    assert not is_full(sqlite3.OperationalError("no such table"))
    assert not is_full(None)


def test_dbos_is_told_what_it_waits_for_and_who_must_not_wait_is_not(full: sqlalchemy.Engine) -> None:
    wait_while_disk_full(full)
    with pytest.raises(PoolTimeoutError):
        fill(full)
    with fail_on_full_disk(), pytest.raises(OperationalError):
        fill(full)


def test_what_waits_for_room_is_told_from_what_waits_for_others(full: sqlalchemy.Engine) -> None:
    def raised_by(error: Exception) -> TemporarilyUnavailable:
        with pytest.raises(TemporarilyUnavailable) as caught, answering(), disk_errors_retried():
            raise error
        return caught.value

    with pytest.raises(OperationalError) as of_full:
        fill(full)
    assert is_disk_failure(raised_by(OSError(errno.ENOSPC, "full")))
    assert is_disk_failure(raised_by(OSError(errno.EDQUOT, "over quota")))
    assert is_disk_failure(raised_by(of_full.value))
    assert not is_disk_failure(
        raised_by(OperationalError("", {}, sqlite3.OperationalError("database is locked")))
    )
    assert not is_disk_failure(TemporarilyUnavailable("archive_busy", "later."))


def test_a_job_waits_for_room_however_often_it_has_been_tried(bench: Bench, tmp_path: Path) -> None:
    tried = []

    def full_for_long(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        tried.append(out)
        if len(tried) < 4 * bench.attempts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))
        return analyse(source, out)

    bench.analyse = full_for_long
    bench.receive(write_study(tmp_path / "src", STUDY))
    job = bench.job(STUDY)
    bench.start().submit(job)
    assert bench.ended(job).outcome.state is JobState.ANALYSED
    assert len(tried) == 4 * bench.attempts


def full_disk(room: list[int], needs: int) -> None:
    """A disk with so much room, to which something is written."""
    if room[0] < needs:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    room[0] -= needs


def test_a_reserve_gives_up_a_piece_for_each_message_until_there_is_none(tmp_path: Path) -> None:
    path, now_s = tmp_path / "reserve", [0.0]
    reserve = Reserve(path, size_bytes=3 * RELEASED_PER_WRITE, clock=lambda: now_s[0])
    reserve.write(lambda: None)
    assert path.stat().st_size == 3 * RELEASED_PER_WRITE
    assert path.stat().st_blocks * 512 >= 3 * RELEASED_PER_WRITE, "it really takes the room"

    def write(needs: int) -> None:
        full_disk([3 * RELEASED_PER_WRITE - path.stat().st_size], needs)

    reserve.write(lambda: write(100))
    assert path.stat().st_size == 2 * RELEASED_PER_WRITE
    reserve.write(lambda: write(3 * RELEASED_PER_WRITE))
    assert path.stat().st_size == 0
    with pytest.raises(OSError, match="No space left"):
        reserve.write(lambda: write(4 * RELEASED_PER_WRITE))
    now_s[0] += 61.0
    reserve.write(lambda: None)
    assert path.stat().st_size == 3 * RELEASED_PER_WRITE, "there is room again"


def test_a_reserve_is_not_given_up_for_other_faults_and_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Reserve(tmp_path / "reserve", size_bytes=RELEASED_PER_WRITE)
    reserve.write(lambda: None)

    def forbidden() -> None:
        raise PermissionError(errno.EACCES, "not yours")

    with pytest.raises(PermissionError):
        reserve.write(forbidden)
    assert reserve.path.stat().st_size == RELEASED_PER_WRITE
    larger_than_the_disk = Reserve(tmp_path / "another", size_bytes=10**15)
    larger_than_the_disk.write(lambda: None)
    assert not larger_than_the_disk.path.exists()


def test_the_audit_trail_goes_on_from_its_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = AuditTrail(
        tmp_path / "audit.log", "here", reserve=Reserve(tmp_path / "reserve", size_bytes=RELEASED_PER_WRITE)
    )
    trail.record(AuditEvent(Act.STARTED, "worker-1"))
    real, full_once = os.write, [True]

    def write(file: int, data: bytes) -> int:
        if full_once.pop() if full_once else False:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data)

    monkeypatch.setattr("cvai.audit.messages.os.write", write)
    trail.record(AuditEvent(Act.STOPPED, "worker-1"))
    assert len((tmp_path / "audit.log").read_text().splitlines()) == 2
    assert (tmp_path / "reserve").stat().st_size == 0


def test_logs_that_cannot_be_written_end_nothing() -> None:
    script = (
        "import structlog; from cvai.ops.logs import configure_logs; configure_logs('info');"
        "[structlog.get_logger().info('told') for _ in range(1000)]; print('alive')"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            check=False,
        )
    assert done.stdout == "alive\n"
