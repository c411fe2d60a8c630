"""Limits concurrent analyses, and isolates those that may kill workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, delete, insert, select, update

from cvai.jobs.database import answering, create_where_missing

UNENDED = Table(
    "cvai_unended_analyses",
    MetaData(),
    Column("job_id", String, primary_key=True),
    Column("times", Integer, nullable=False),
)

MAX_DEATHS = 8
"""Worker deaths during its analysis after which a job is given up. Fewer could be chance: of a hundred random
deaths, four hit the same job."""


class UnendedAnalyses:
    """Counts of analyses that began and never ended, each because its worker died.

    Args:
        database: where jobs are kept; the table is created when missing.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        create_where_missing(UNENDED, database)

    @answering()
    def times(self, job_id: str) -> int:
        """How often the job's analysis has begun since it last ended."""
        with self._database.connect() as connection:
            return connection.scalar(select(UNENDED.c.times).where(UNENDED.c.job_id == job_id)) or 0

    @answering()
    def begun(self, job_id: str) -> None:
        """Count one more start."""
        once_more = update(UNENDED).where(UNENDED.c.job_id == job_id).values(times=UNENDED.c.times + 1)
        with self._database.begin() as connection:
            if not connection.execute(once_more).rowcount:
                connection.execute(insert(UNENDED).values(job_id=job_id, times=1))

    @answering()
    def ended(self, job_id: str) -> None:
        """Reset the count."""
        with self._database.begin() as connection:
            connection.execute(delete(UNENDED).where(UNENDED.c.job_id == job_id))


class AnalysisSlots:
    """The slots for concurrent analyses of one worker, handed out in order of arrival.

    When a worker dies, any of the analyses it was running may be the cause. So each of them runs alone the
    next time: one that kills workers then affects no other, and is eventually given up.

    Args:
        at_once: number of slots.
        unended: kept in the jobs' database, for whichever worker resumes them.
    """

    def __init__(self, at_once: int, unended: UnendedAnalyses) -> None:
        self._at_once = at_once
        self._unended = unended
        self._free = at_once
        self._freed = threading.Condition()
        self._first_in_line = threading.Lock()

    def given_up(self, job_id: str) -> bool:
        """Whether this job has killed too many workers; resets the count, so that a retry starts afresh."""
        hopeless = self._unended.times(job_id) >= MAX_DEATHS
        if hopeless:
            self._unended.ended(job_id)
        return hopeless

    @contextmanager
    def acquired(self, job_id: str) -> Iterator[None]:
        """Wait for a slot, or for all of them if the job may kill workers, and hold it within the block.

        Raises:
            TemporarilyUnavailable: the jobs' database does not answer.
        """
        with ExitStack() as leaving:
            with self._first_in_line:
                needed = self._at_once if self._unended.times(job_id) else 1
                self._take(needed)
                leaving.callback(self._give_back, needed)
                self._unended.begun(job_id)
            leaving.callback(self._unended.ended, job_id)
            yield

    def _take(self, places: int) -> None:
        with self._freed:
            self._freed.wait_for(lambda: self._free >= places)
            self._free -= places

    def _give_back(self, places: int) -> None:
        with self._freed:
            self._free += places
            self._freed.notify_all()
