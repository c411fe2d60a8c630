"""What the queue of jobs holds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from dbos import DBOS
from sqlalchemy import Engine, String, column, literal_column, select, table
from sqlalchemy.sql.functions import count
from sqlalchemy.sql.functions import min as min_

from cvai.jobs.job import JobState
from cvai.jobs.jobs import READING_WORKFLOW, WORKFLOW

WELL_ENDED = frozenset({JobState.ANALYSED, JobState.REFUSED, JobState.SUPERSEDED, JobState.NOTHING_TO_DO})

QUEUED, RUNNING = literal_column("'ENQUEUED'", String), literal_column("'PENDING'", String)

ASKED_AT_ONCE = 1000
"""Jobs in one question: a database takes no more than some ten thousand parameters."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """Jobs that have not ended.

    Args:
        queued: waiting.
        running: being worked on, by whichever worker.
        oldest_s: how long the oldest waiting job has waited, 0 without one.
    """

    queued: int
    running: int
    oldest_s: float


class Queue:
    """The jobs that have not ended, asked of DBOS's own table (its documentation: "System Tables").

    Asked through DBOS, SQLite reads every job there ever was: a state that comes as a parameter cannot be
    matched with the index of the jobs in that state when the question is planned.

    Args:
        database: where jobs are kept; an engine has made its tables.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._jobs = table(
            "workflow_status",
            *map(column, ("status", "name", "executor_id", "created_at")),
            schema=None if database.dialect.name == "sqlite" else "dbos",
        )

    def state(self) -> QueueState:
        """The queue as it stands; jobs in shadow are not counted, since nobody waits for them."""
        jobs = self._jobs.c
        unended = jobs.status.in_([QUEUED, RUNNING]) & jobs.name.in_([WORKFLOW, READING_WORKFLOW])
        asked = select(jobs.status, count(), min_(jobs.created_at)).where(unended).group_by(jobs.status)
        with self._database.connect() as connection:
            found = {status: (number, oldest_ms) for status, number, oldest_ms in connection.execute(asked)}
        queued, oldest_ms = found.get("ENQUEUED", (0, None))
        running, _ = found.get("PENDING", (0, None))
        oldest_s = 0.0 if oldest_ms is None else time.time() - oldest_ms / 1000
        return QueueState(queued, running, max(0.0, oldest_s))

    def workers_at_work(self) -> frozenset[str]:
        """Workers, living or not, that jobs under way are written down for."""
        jobs = self._jobs.c
        asked = select(jobs.executor_id).where(jobs.status == RUNNING).distinct()
        with self._database.connect() as connection:
            return frozenset(worker for worker in connection.scalars(asked) if worker)


def ended_well(job_ids: Iterable[str]) -> frozenset[str]:
    """Those of the jobs whose results stand in the archive, or that have nothing to be stored."""
    wanted, well = iter(job_ids), set[str]()
    while some := list(islice(wanted, ASKED_AT_ONCE)):
        ended = DBOS.list_workflows(workflow_ids=some, status="SUCCESS", load_input=False)
        well |= {job.workflow_id for job in ended if (job.output or {}).get("state") in WELL_ENDED}
    return frozenset(well)
