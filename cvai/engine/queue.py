"""What the queue of jobs holds, asked through the engine that runs in this process."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from dbos import DBOS

from cvai.engine.job import JobState
from cvai.engine.jobs import READING_WORKFLOW, WORKFLOW

WELL_ENDED = frozenset({JobState.ANALYSED, JobState.REFUSED, JobState.SUPERSEDED})

COUNTED_AT_MOST = 10_000
"""Jobs looked at to tell how many wait: enough to know that it is too many."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """Jobs that have not ended.

    Args:
        queued: waiting; counted up to COUNTED_AT_MOST.
        running: being worked on, by whichever worker.
        oldest_s: how long the oldest waiting job has waited, 0 without one.
    """

    queued: int
    running: int
    oldest_s: float


def queue_state() -> QueueState:
    """The queue as it stands, asked of the database of the engine that runs in this process.

    Jobs in shadow are not counted: nobody waits for them.
    """
    found = DBOS.list_workflows(
        status=["ENQUEUED", "PENDING"],
        name=[WORKFLOW, READING_WORKFLOW],
        limit=COUNTED_AT_MOST,
        load_input=False,
        load_output=False,
    )
    queued = [job.created_at or 0 for job in found if job.status == "ENQUEUED"]
    oldest_s = time.time() - min(queued) / 1000 if queued else 0.0
    return QueueState(len(queued), len(found) - len(queued), max(0.0, oldest_s))


def ended_well(job_ids: Iterable[str]) -> frozenset[str]:
    """Those of the jobs whose results stand in the archive, or that have nothing to be stored."""
    wanted = list(job_ids)
    if not wanted:
        return frozenset()
    ended = DBOS.list_workflows(workflow_ids=wanted, status="SUCCESS", load_input=False)
    return frozenset(job.workflow_id for job in ended if (job.output or {}).get("state") in WELL_ENDED)
