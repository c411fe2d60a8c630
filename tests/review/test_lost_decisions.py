"""Decisions whose jobs are gone with a database that was restored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from cvai.jobs.job import StudyJob
from cvai.jobs.ledger import open_ledger
from cvai.jobs.reading import Reading
from cvai.review.database import Database
from cvai.review.decisions import Decisions
from cvai.review.page import Page
from cvai.review.server import Chores
from tests.jobs.conftest import Bench
from tests.review.test_records import COMPARISON, READING


@dataclass
class Jobs:
    """A ledger that remembers what was queued."""

    queued: list[str] = field(default_factory=list)
    asked: int = 0

    def queue_reading(self, reading: Reading) -> None:
        self.queued.append(reading.reading_id)

    def unknown_readings(self, reading_ids: Iterable[str]) -> frozenset[str]:
        self.asked += 1
        return frozenset(reading_ids) - set(self.queued)


def test_a_decision_whose_job_is_gone_is_queued_again_at_the_next_start(tmp_path: Path) -> None:
    database = Database(tmp_path / "review.sqlite")
    decisions, jobs = Decisions(database), Jobs()
    page = cast("Page", SimpleNamespace(decisions=decisions, ledger=jobs))
    readings = [replace(READING, job=StudyJob(f"1.2.{n}", "ab" * 32, "cd" * 32)) for n in range(3)]
    for reading in readings:
        decisions.add("hart", reading, COMPARISON, after=0)
    Chores(page).queue_decisions()
    assert len(jobs.queued) == 3
    jobs.queued.remove(readings[1].reading_id)
    chores = Chores(page)
    chores.queue_decisions()
    assert jobs.queued.count(readings[1].reading_id) == 1
    assert len(jobs.queued) == 3, "what stands is not queued again"
    before = jobs.asked
    chores.queue_decisions()
    assert jobs.asked == before, "asked once a start"
    database.close()


def test_the_ledger_tells_readings_that_were_never_queued(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start()
    with open_ledger(bench.url) as ledger:
        ledger.queue_reading(READING)
        unknown = [f"unknown-{number}" for number in range(2500)]
        assert ledger.unknown_readings([READING.reading_id, *unknown]) == set(unknown)
        assert ledger.unknown_readings([]) == frozenset()
    bench.stop()
