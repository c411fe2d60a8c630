"""Read access to the jobs from outside the service, and retries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any, cast

import sqlalchemy
from dbos import DBOSClient, WorkflowStatus

from cvai.analyses.former import FORMER_KINDS
from cvai.domain.message import say
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import ConfigurationInvalid
from cvai.jobs.database import open_database
from cvai.jobs.job import DIED, JobState, Outcome, StudyJob, standing
from cvai.jobs.jobs import (
    APPLICATION,
    QUEUE,
    READING_WORKFLOW,
    WORKFLOW,
    WORKFLOW_VERSION,
    JsonSerializer,
)
from cvai.jobs.queue import Queue
from cvai.jobs.reading import Reading
from cvai.jobs.worker_registry import name_of

UNENDED = {"ENQUEUED": JobState.QUEUED, "DELAYED": JobState.QUEUED, "PENDING": JobState.RUNNING}
DBOS_STATUSES = {
    state: [status for status, mapped in UNENDED.items() if mapped is state] for state in UNENDED.values()
}
PAGE = 2000
MAX_IDS_PER_QUERY = 1000
"""Databases limit the parameters of a query to some ten thousand."""

MADE_FILES = frozenset({JobState.ANALYSED, JobState.REFUSED, JobState.WITHHELD})

_PRECEDENCE = (
    JobState.RUNNING,
    JobState.QUEUED,
    JobState.SUPERSEDED,
    JobState.ANALYSED,
    JobState.WITHHELD,
    JobState.CANCELED,
    JobState.FAILED,
    JobState.DEAD_LETTER,
    JobState.REFUSED,
    JobState.NOTHING_TO_DO,
)
"""Which outcome of several analyses is shown for the study: the first in this order."""

BROKE = Outcome(
    JobState.FAILED,
    "internal_error",
    say("the program broke while it worked on this study."),
    say("This is a defect of cvai, or a full disk: the log line job_broke says where."),
)
CANCELLED = Outcome(
    JobState.FAILED, "cancelled", say("the job was cancelled."), say("cvai jobs retry takes it up again.")
)
ENDED_WITHOUT_OUTCOME = {"MAX_RECOVERY_ATTEMPTS_EXCEEDED": DIED, "ERROR": BROKE, "CANCELLED": CANCELLED}


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The current state of a job.

    Args:
        job: the study and model.
        outcome: final, or in state ``running`` or ``queued``.
        queued_at: when the study was announced.
        ended_at: when the job ended, None before.
        worker: name of the worker that took it last, empty before.
        attempts: how often a worker started it.
    """

    job: StudyJob
    outcome: Outcome
    queued_at: datetime
    ended_at: datetime | None
    worker: str
    attempts: int


class Ledger:
    """All jobs of one database; see ``open_ledger``."""

    def __init__(self, client: DBOSClient, queue: Queue) -> None:
        self._client = client
        self._queue = queue

    def jobs(
        self, state: JobState | None = None, limit: int | None = None, code: str | None = None
    ) -> tuple[JobRecord, ...]:
        """Jobs, newest first; of a study's analysed jobs of one kind, the newest supersedes the others."""
        records = self._mark_superseded(
            self._newest_first(None if state is None else DBOS_STATUSES.get(state))
        )
        chosen = (
            r
            for r in records
            if (state is None or r.outcome.state is state) and (code is None or r.outcome.code == code)
        )
        return tuple(islice(chosen, limit))

    def job(self, job_id: str) -> JobRecord:
        """The job of this id.

        Raises:
            ConfigurationInvalid: there is none.
        """
        found = self.find(job_id)
        if found is None:
            raise _unknown(job_id)
        of_study = self._mark_superseded(self._of_study(found.job.study_uid))
        return next(record for record in of_study if record.job == found.job)

    def named(self, name: str) -> tuple[JobRecord, ...]:
        """The job of this id, or the jobs of this study, see ``of_study``.

        Raises:
            ConfigurationInvalid: there is none.
        """
        found = self.of_study(name)
        return found or (self.job(name),)

    def of_study(self, study_uid: str) -> tuple[JobRecord, ...]:
        """The newest job of each kind of analysis of a study, newest first; none where it has none.

        A choice of a series that gave no result leaves the job before it.
        """
        newest: dict[str, JobRecord] = {}
        for record in self._mark_superseded(self._of_study(study_uid)):
            if _stands_back(record) or record.job.study_uid != study_uid:
                continue
            if not spoken_for(record.job.kind, newest):
                newest[record.job.kind] = record
        return tuple(newest.values())

    def since(self, moment: datetime | None) -> Iterator[JobRecord]:
        """Jobs queued at a moment or after it, newest first, each as it ended; all of them for None."""
        return map(_record, self._newest_first(None, moment))

    def unended(self) -> dict[str, JobState]:
        """Jobs that are queued or running, by id; scales with active jobs, not with history."""
        return self._queue.unended()

    def by_id(self, job_ids: Iterable[str]) -> Iterator[JobRecord]:
        """Those of the jobs that there are, each as it ended."""
        wanted = iter(job_ids)
        while some := list(islice(wanted, MAX_IDS_PER_QUERY)):
            yield from map(_record, self._client.list_workflows(workflow_ids=some, name=WORKFLOW))

    def steps_done(self, job_id: str) -> tuple[str, ...]:
        """Names of the steps of a job that have ended, in their order."""
        return tuple(
            step["function_name"] for step in self._client.list_workflow_steps(job_id, load_output=False)
        )

    def find(self, job_id: str) -> JobRecord | None:
        """The job of this id as recorded, without checking whether a newer one supersedes it."""
        found = self._client.list_workflows(workflow_ids=[job_id], name=WORKFLOW)
        return _record(found[0]) if found else None

    def choices(self, job: StudyJob) -> tuple[JobRecord, ...]:
        """The jobs that measure a series of the study that a person chose for this analysis, newest first."""
        records = map(_record, self._of_study(job.study_uid))
        return tuple(
            r for r in records if r.job.chosen and (r.job.study_uid, r.job.kind) == (job.study_uid, job.kind)
        )

    def choose(self, job: StudyJob, choice: SeriesChoice) -> StudyJob:
        """Queue a job that measures a chosen series of a study in the place of ``job``."""
        chosen = replace(job, chosen=choice.to_text())
        self._client.enqueue(
            {
                "workflow_name": WORKFLOW,
                "queue_name": QUEUE,
                "workflow_id": chosen.job_id,
                "app_version": WORKFLOW_VERSION,
            },
            *chosen.arguments,
        )
        return chosen

    def outcome_of(self, study_uid: str) -> Outcome | None:
        """The outcome of a study over all its analyses; None where it has no job.

        While an analysis is unfinished or superseded, its state; then "analysed" with the objects of all
        analyses; otherwise the reason why nothing was analysed.
        """
        outcomes = [record.outcome for record in self.of_study(study_uid)]
        if not outcomes:
            return None
        found = min(outcomes, key=lambda outcome: _PRECEDENCE.index(outcome.state))
        if found.state is not JobState.ANALYSED:
            return found
        analysed = [outcome for outcome in outcomes if outcome.state is JobState.ANALYSED]
        return replace(found, objects=tuple(stored for outcome in analysed for stored in outcome.objects))

    def retry(self, name: str) -> tuple[JobRecord, ...]:
        """Restart an ended job from its first step; for a study, all its ended jobs.

        Raises:
            ConfigurationInvalid: there is no such job, or none has ended.
        """
        records = self.named(name)
        ended = [record for record in records if record.ended_at is not None]
        if not ended:
            raise ConfigurationInvalid(
                "job_not_ended",
                f"the job is {records[0].outcome.state}.",
                "Only a job that has ended is retried.",
            )
        return tuple(self._rewound(record) for record in ended)

    def _rewound(self, record: JobRecord) -> JobRecord:
        self._client.rewind_workflow(record.job.job_id, queue_name=QUEUE)
        return self.job(record.job.job_id)

    def retry_all(self, code: str) -> tuple[JobRecord, ...]:
        """Restart every job that has ended with this code, the oldest first."""
        ended = [record for record in self.jobs(code=code) if record.ended_at is not None]
        return tuple(self._rewound(record) for record in reversed(ended))

    def retry_without_files(self, results_folder: Path) -> tuple[JobRecord, ...]:
        """Restart every job whose result files are missing here, the oldest first."""
        missing = self.without_files(results_folder)
        return tuple(self._rewound(record) for record in reversed(missing))

    def queue_reading(self, reading: Reading) -> None:
        """Queue a signed reading; does nothing when it has been queued before."""
        self._client.enqueue(
            {
                "workflow_name": READING_WORKFLOW,
                "queue_name": QUEUE,
                "workflow_id": reading.reading_id,
                "app_version": WORKFLOW_VERSION,
            },
            reading.to_json(),
        )

    def reading_outcome(self, reading_id: str) -> Outcome | None:
        """The outcome of a signed reading's job; None before it is queued."""
        found = self._client.list_workflows(workflow_ids=[reading_id], name=READING_WORKFLOW)
        return _outcome(found[0]) if found else None

    def unknown_readings(self, reading_ids: Iterable[str]) -> frozenset[str]:
        """The signed readings that were never queued in this database."""
        remaining, unknown = iter(reading_ids), set[str]()
        while batch := set(islice(remaining, MAX_IDS_PER_QUERY)):
            known = self._client.list_workflows(
                workflow_ids=list(batch), name=READING_WORKFLOW, load_input=False, load_output=False
            )
            unknown |= batch - {job.workflow_id for job in known}
        return frozenset(unknown)

    def without_files(self, results_folder: Path) -> tuple[JobRecord, ...]:
        """Current jobs whose result files are missing here, newest first."""
        ended = (record for record in self.jobs() if record.outcome.state in MADE_FILES)
        return tuple(record for record in ended if not _files_exist(record.outcome, results_folder))

    def _of_study(self, study_uid: str) -> list[WorkflowStatus]:
        """Jobs of one study, newest first; their ids begin with its UID."""
        return self._client.list_workflows(name=WORKFLOW, workflow_id_prefix=f"{study_uid}-", sort_desc=True)

    def _newest_first(
        self, statuses: list[str] | None, since: datetime | None = None
    ) -> Iterator[WorkflowStatus]:
        """Jobs in these DBOS states (None: all), page by page: after some years there are a million."""
        before: frozenset[str] = frozenset()
        for offset in count(step=PAGE):
            page = self._client.list_workflows(
                name=WORKFLOW,
                status=statuses,
                start_time=None if since is None else since.isoformat(),
                sort_desc=True,
                limit=PAGE,
                offset=offset,
            )
            # Jobs queued meanwhile shift the end of the last page to the start of this one.
            yield from (job for job in page if job.workflow_id not in before)
            if len(page) < PAGE:
                return
            before = frozenset(job.workflow_id for job in page)

    def _mark_superseded(self, newest_first: Iterable[WorkflowStatus]) -> Iterator[JobRecord]:
        newer: defaultdict[str, set[str]] = defaultdict(set)
        for record in map(_record, newest_first):
            if record.outcome.state is not JobState.ANALYSED:
                yield record
                continue
            kinds = newer[record.job.study_uid]
            yield _superseded(record) if spoken_for(record.job.kind, kinds) else record
            kinds.add(record.job.kind)


def _stands_back(record: JobRecord) -> bool:
    return standing(record.job.job_id, record.outcome.state) is not record.outcome.state


def spoken_for(kind: str, newer: Container[str]) -> bool:
    """Whether newer jobs supersede one of this kind; a job without a kind covered all former kinds."""
    return kind in newer or (not kind and any(former in newer for former in FORMER_KINDS))


def _unknown(name: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        "job_unknown", f"there is no job and no study {name}.", "cvai jobs list shows those there are."
    )


def _files_exist(outcome: Outcome, results_folder: Path) -> bool:
    paths = [outcome.result, *(item.path for item in outcome.objects)]
    return all((results_folder / path).is_file() for path in paths if path)


def _superseded(record: JobRecord) -> JobRecord:
    outcome = replace(record.outcome, state=JobState.SUPERSEDED, hint=say("A newer job supersedes this one."))
    return replace(record, outcome=outcome)


def _record(status: WorkflowStatus) -> JobRecord:
    arguments = () if status.input is None else status.input["args"]
    return JobRecord(
        job=StudyJob(*arguments),
        outcome=_outcome(status),
        queued_at=_time(status.created_at or 0),
        ended_at=None if status.completed_at is None else _time(status.completed_at),
        worker=name_of(status.executor_id or ""),
        attempts=status.recovery_attempts or 0,
    )


def _outcome(status: WorkflowStatus) -> Outcome:
    if status.status in UNENDED:
        return Outcome(UNENDED[status.status])
    if status.status in ENDED_WITHOUT_OUTCOME:
        return ENDED_WITHOUT_OUTCOME[status.status]
    return Outcome.from_json(cast("dict[str, Any]", status.output))


def _time(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


@contextmanager
def open_ledger(database_url: str) -> Iterator[Ledger]:
    """Open the jobs of a database, which a running service may be using.

    Raises:
        ConfigurationInvalid: there is no such database, or it has no jobs' tables.
    """
    none_yet = ConfigurationInvalid(
        "no_jobs_database",
        "there is no database of jobs yet, or it cannot be opened.",
        "It is created by the first cvai serve; check --config and data_folder.",
    )
    url = sqlalchemy.make_url(database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise none_yet
    try:
        client = DBOSClient(
            system_database_url=database_url,
            serializer=JsonSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
        )
    except sqlalchemy.exc.OperationalError as error:
        raise none_yet from error
    with ExitStack() as stack:
        stack.callback(client.destroy)
        try:
            client.list_workflows(name=WORKFLOW, limit=1)
        except sqlalchemy.exc.DBAPIError as error:
            raise none_yet from error  # the first service is still creating the tables
        database = open_database(database_url)
        stack.callback(database.dispose)
        yield Ledger(client, Queue(database))
