"""Jobs on every database they may be kept in: SQLite as shipped, PostgreSQL where one machine is outgrown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from cvai.doctor.checks import check_database
from cvai.errors import ConfigurationInvalid
from cvai.jobs.job import JobState
from cvai.jobs.ledger import open_ledger
from cvai.jobs.queue import Queue, QueueState
from cvai.pipeline import StudyOutcome
from cvai.settings import Settings
from tests.jobs.conftest import Bench
from tests.postgres import fresh_database, needs_postgres
from tests.process import closing_database, eventually
from tests.standin import analyse, analyse_noting, derived_uid, write_study

STUDY = derived_uid("jobs database")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[needs_postgres, pytest.mark.servers])])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    if request.param == "sqlite":
        yield made
        made.stop()
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        made.url = url
        yield made
        made.stop()


@pytest.mark.slow
def test_jobs_are_kept_once_listed_and_retried(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="no database of jobs yet"), open_ledger(bench.url):
        pass
    log = tmp_path / "log"
    bench.analyse = analyse_noting(log)
    bench.receive(write_study(tmp_path / "src", STUDY))
    job = bench.job(STUDY)
    engine = bench.start()
    assert engine.submit(job)
    assert not engine.submit(job)
    first = bench.ended(job)
    assert first.outcome.state is JobState.ANALYSED
    with open_ledger(bench.url) as ledger:
        ledger.retry(job.job_id)
    eventually(lambda: log.read_text().count(job.job_id) == 2, "the second analysis")
    assert bench.ended(job).outcome == first.outcome
    with open_ledger(bench.url) as ledger:
        assert [record.job for record in ledger.jobs()] == [job]


def test_what_was_queued_outlives_the_service(bench: Bench, tmp_path: Path) -> None:
    bench.receive(write_study(tmp_path / "src", STUDY))
    job = bench.job(STUDY)
    bench.start().submit(job)
    bench.stop(grace_s=5)
    bench.start()
    assert bench.ended(job).outcome.state is JobState.ANALYSED


def test_what_waits_and_what_runs_is_told(bench: Bench, tmp_path: Path) -> None:
    begun, gate = threading.Event(), threading.Event()

    def held(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        begun.set()
        gate.wait()
        return analyse(source, out)

    bench.analyse = held
    uids = [derived_uid(STUDY, str(number)) for number in range(2)]
    engine = bench.start()
    with closing_database(bench.url) as database:
        queue = Queue(database)
        assert queue.state() == QueueState(0, 0, 0.0)
        for uid in uids:
            bench.receive(write_study(tmp_path / uid, uid))
            engine.submit(bench.job(uid))
        begun.wait()
        state = queue.state()
        assert (state.queued, state.running) == (1, 1)
        assert 0 < state.oldest_s < 600
        assert queue.workers_at_work() == {"worker-1"}
        gate.set()
        for uid in uids:
            bench.ended(bench.job(uid))
        assert queue.state() == QueueState(0, 0, 0.0)
        assert queue.workers_at_work() == frozenset()


@pytest.mark.slow
def test_jobs_of_years_are_not_read_to_tell_what_waits_and_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start()
    asked: list[tuple[str, tuple[object, ...]]] = []
    with closing_database(bench.url) as database:
        sqlalchemy.event.listen(database, "before_cursor_execute", lambda *told: asked.append(told[2:4]))
        queue = Queue(database)
        queue.state()
        queue.workers_at_work()
        with database.connect() as connection:
            plans = [
                connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in asked[:2]
            ]
            steps = [row[3] for plan in plans for row in plan]
    tables = [step for step in steps if "workflow_status" in step]
    assert len(tables) == 2
    assert all("idx_workflow_status_in_flight" in t or "idx_workflow_status_pending" in t for t in tables)


def test_the_doctor_asks_the_database(bench: Bench, tmp_path: Path) -> None:
    bench.start()
    settings = Settings(data_folder=tmp_path, database_url=bench.url)
    assert check_database(settings).ok
