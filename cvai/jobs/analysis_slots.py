"""How many analyses run at the same time, and which of them runs alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from cvai.jobs.database import answering

UNENDED = Table(
    "cvai_unended_analyses",
    MetaData(),
    Column("job_id", String, primary_key=True),
    Column("times", Integer, nullable=False),
)

DIED_AT_MOST = 8
"""A job whose analysis workers have not survived so often is likely the reason. It need not be: of a hundred
deaths at random, four hit the same job."""


class UnendedAnalyses:
    """Analyses that have begun and not ended, and how often: each time, the worker that was at it has died.

    Args:
        database: where jobs are kept; the table is made when missing.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        with suppress(DBAPIError):  # another worker made it between the look and the making
            UNENDED.create(database, checkfirst=True)

    @answering()
    def times(self, job_id: str) -> int:
        """How often the job's analysis has begun since it last ended."""
        with self._database.connect() as connection:
            return connection.scalar(select(UNENDED.c.times).where(UNENDED.c.job_id == job_id)) or 0

    @answering()
    def begun(self, job_id: str) -> None:
        """Count one more."""
        once_more = update(UNENDED).where(UNENDED.c.job_id == job_id).values(times=UNENDED.c.times + 1)
        with self._database.begin() as connection:
            if not connection.execute(once_more).rowcount:
                connection.execute(insert(UNENDED).values(job_id=job_id, times=1))

    @answering()
    def ended(self, job_id: str) -> None:
        """Begin to count anew."""
        with self._database.begin() as connection:
            connection.execute(delete(UNENDED).where(UNENDED.c.job_id == job_id))


class AnalysisSlots:
    """The turns of one worker's jobs at being analysed, in the order in which they come.

    A worker that dies takes along everything it was analysing, and nobody can tell which of it was the
    reason. So what has begun and not ended runs alone the next time: what kills workers then takes along
    nothing else, and is given up in the end.

    Args:
        at_once: analyses that may run at the same time.
        unended: kept beside the jobs, for whichever worker takes them up again.
    """

    def __init__(self, at_once: int, unended: UnendedAnalyses) -> None:
        self._at_once = at_once
        self._unended = unended
        self._free = at_once
        self._freed = threading.Condition()
        self._first_in_line = threading.Lock()

    def given_up(self, job_id: str) -> bool:
        """Whether workers have died of this job too often; said once, so that a retry begins anew."""
        hopeless = self._unended.times(job_id) >= DIED_AT_MOST
        if hopeless:
            self._unended.ended(job_id)
        return hopeless

    @contextmanager
    def taken(self, job_id: str) -> Iterator[None]:
        """Wait until it is the job's turn, which lasts until the block is left.

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
