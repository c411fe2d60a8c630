"""State of the job queue."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from dbos import DBOS
from sqlalchemy import Engine, String, column, literal_column, select, table
from sqlalchemy.sql.functions import count
from sqlalchemy.sql.functions import min as min_

from cvai.jobs.database import answering
from cvai.jobs.job import JobState
from cvai.jobs.jobs import READING_WORKFLOW, WORKFLOW

WELL_ENDED = frozenset(
    {
        JobState.ANALYSED,
        JobState.CANCELED,
        JobState.REFUSED,
        JobState.SUPERSEDED,
        JobState.NOTHING_TO_DO,
    }
)

QUEUED, RUNNING = literal_column("'ENQUEUED'", String), literal_column("'PENDING'", String)

MAX_IDS_PER_QUERY = 1000
"""Databases limit the parameters of a query to some ten thousand."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """Jobs that have not ended.

    Args:
        queued: waiting.
        running: on any worker.
        oldest_s: how long the oldest waiting job has waited, 0 without one.
    """

    queued: int
    running: int
    oldest_s: float


class Queue:
    """The jobs that have not ended, queried from DBOS's own table (its documentation: "System Tables").

    DBOS passes the state as a parameter, with which SQLite cannot plan for the partial index of that state
    and scans every job there ever was.

    Args:
        database: where jobs are kept; the tables must exist.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._jobs = table(
            "workflow_status",
            *map(column, ("workflow_uuid", "status", "name", "executor_id", "created_at")),
            schema=None if database.dialect.name == "sqlite" else "dbos",
        )

    def state(self) -> QueueState:
        """The current queue without shadow jobs, whose results are never delivered."""
        jobs = self._jobs.c
        unended = jobs.status.in_([QUEUED, RUNNING]) & jobs.name.in_([WORKFLOW, READING_WORKFLOW])
        query = select(jobs.status, count(), min_(jobs.created_at)).where(unended).group_by(jobs.status)
        with self._database.connect() as connection:
            found = {status: (number, oldest_ms) for status, number, oldest_ms in connection.execute(query)}
        queued, oldest_ms = found.get("ENQUEUED", (0, None))
        running, _ = found.get("PENDING", (0, None))
        oldest_s = 0.0 if oldest_ms is None else time.time() - oldest_ms / 1000
        return QueueState(queued, running, max(0.0, oldest_s))

    def unended(self) -> dict[str, JobState]:
        """Jobs of studies that are queued or running, by id."""
        jobs = self._jobs.c
        unended = jobs.status.in_([QUEUED, RUNNING]) & (jobs.name == WORKFLOW)
        asked = select(jobs.workflow_uuid, jobs.status).where(unended)
        with self._database.connect() as connection:
            found = connection.execute(asked).all()
        return {
            job_id: JobState.RUNNING if status == "PENDING" else JobState.QUEUED for job_id, status in found
        }

    def running(self, job_ids: Sequence[str]) -> frozenset[str]:
        """Those of the jobs, of studies or readings, that a worker has taken; at most MAX_IDS_PER_QUERY.

        Raises:
            TemporarilyUnavailable: the database does not answer.
        """
        jobs = self._jobs.c
        query = select(jobs.workflow_uuid).where(jobs.status == RUNNING, jobs.workflow_uuid.in_(job_ids))
        with answering(), self._database.connect() as connection:
            return frozenset(connection.scalars(query))

    def workers_at_work(self) -> frozenset[str]:
        """Workers, living or dead, to which running jobs are assigned."""
        jobs = self._jobs.c
        query = select(jobs.executor_id).where(jobs.status == RUNNING).distinct()
        with self._database.connect() as connection:
            return frozenset(worker for worker in connection.scalars(query) if worker)


def ended_well(job_ids: Iterable[str]) -> frozenset[str]:
    """The jobs whose results are in the archive, or that have none to store."""
    remaining, done = iter(job_ids), set[str]()
    while batch := list(islice(remaining, MAX_IDS_PER_QUERY)):
        ended = DBOS.list_workflows(workflow_ids=batch, status="SUCCESS", load_input=False)
        done |= {job.workflow_id for job in ended if (job.output or {}).get("state") in WELL_ENDED}
    return frozenset(done)
