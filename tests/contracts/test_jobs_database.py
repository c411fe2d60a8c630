"""Jobs on every database they may be kept in: SQLite as shipped, PostgreSQL where one machine is outgrown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cvai.engine.doctor import check_database
from cvai.engine.job import JobState
from cvai.engine.ledger import open_ledger
from cvai.errors import ConfigurationInvalid
from cvai.settings import Settings
from tests.engine.conftest import Bench
from tests.postgres import needs_postgres, running_postgres
from tests.process import eventually
from tests.standin import analyse_noting, derived_uid, write_study

STUDY = derived_uid("jobs database")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=needs_postgres)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    if request.param == "sqlite":
        yield made
        made.stop()
        return
    with running_postgres() as url:
        made.url = url
        yield made
        made.stop()


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


def test_the_doctor_asks_the_database(bench: Bench, tmp_path: Path) -> None:
    bench.start()
    settings = Settings(data_folder=tmp_path, database_url=bench.url)
    assert check_database(settings).ok
