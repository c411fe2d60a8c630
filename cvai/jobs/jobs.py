"""Durable jobs: every queued job runs to completion, through crashes and restarts.

The workflow runs on DBOS Transact: every step's outcome is a row in a database before the next step begins.
A worker that dies leaves its jobs marked as running; a living one adopts them and resumes after the last
finished step. A step can therefore run twice, so every step is idempotent.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Protocol, TypeAlias, cast

import stamina
import structlog
from dbos import DBOS, DBOSConfig, Serializer, SetEnqueueOptions, SetWorkflowID
from dbos import error as dbos_error
from structlog.contextvars import bound_contextvars

from cvai.dicom.write.plan import Extra
from cvai.dicom.write.standing.withdrawal import WITHDRAWAL_KIND
from cvai.errors import Canceled, CvaiError, Refused, TemporarilyUnavailable, Withheld
from cvai.jobs.database import SmallCacheConnection
from cvai.jobs.defects import frames_of
from cvai.jobs.deliver import Deliveries
from cvai.jobs.full_disk import disk_errors_retried, fail_on_full_disk, is_disk_failure, wait_while_disk_full
from cvai.jobs.installed import former_job
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.reading import Reading
from cvai.jobs.rules import Priority
from cvai.jobs.shadow import ShadowJob, ShadowSteps
from cvai.jobs.signing import SigningSteps
from cvai.jobs.steps import StudySteps
from cvai.languages import ENGLISH

log = structlog.get_logger(__name__)

APPLICATION = "cvai"
QUEUE = "studies"
WORKFLOW = "study_job"
READING_WORKFLOW = "reading_job"
SHADOW_WORKFLOW = "shadow_job"
WORKFLOW_VERSION = "1"
"""DBOS resumes a job only under the version that began it. The version therefore names the sequence of steps,
not the release: it changes only when running jobs cannot be resumed with the new steps."""

MAX_RECOVERIES = 30
"""Worker deaths a job survives, at any step. A job whose analysis kills workers is given up much earlier, see
``AnalysisSlots``; the higher limit here lets jobs that merely ran beside it be resumed."""

QUEUE_POLL_S = 0.1

LISTENER_POLL_S = 0.1
"""How often DBOS looks for messages to workflows. None of ours waits for one, so a look costs nothing; a stop
waits for the next look."""

FROZEN_TRANSACTION_S = 10.0
"""After which PostgreSQL ends the transaction of a frozen worker, which would keep rows locked."""

NO_DELIVERIES = Deliveries()

Json: TypeAlias = dict[str, Any]
Step: TypeAlias = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class JobDatabase:
    """The jobs' database and the worker that uses it.

    Args:
        url: SQLAlchemy URL, SQLite or PostgreSQL.
        worker: unique among the workers of one database, see ``WorkerRegistry``.
        jobs_at_once: jobs this worker runs concurrently.
    """

    url: str
    worker: str
    jobs_at_once: int


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retries of a step while the archive does not answer: total attempts, and waits that double."""

    attempts: int
    first_wait_s: float
    longest_wait_s: float


class Watch(Protocol):
    """Observes the progress of jobs; must not raise."""

    def step_done(self, step: str, kind: str, seconds: float) -> None:
        """A step of a job of this kind has ended, with any outcome."""
        ...

    def job_ended(self, job: StudyJob, outcome: Outcome) -> None:
        """A job has ended."""
        ...


class NoWatch:
    """Ignores all events."""

    def step_done(self, step: str, kind: str, seconds: float) -> None:
        """See ``Watch``."""

    def job_ended(self, job: StudyJob, outcome: Outcome) -> None:
        """See ``Watch``."""


class JsonSerializer(Serializer):
    """Stores rows as JSON: readable, and unlike pickle unable to execute code from a shared database.

    Only the class of an exception is stored: its text could quote a DICOM value.
    """

    def serialize(self, data: Any) -> str:
        """JSON of plain values, or of an exception's class."""
        return json.dumps({"raised": type(data).__name__} if isinstance(data, BaseException) else data)

    def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805 - the base class names it so
        """The plain values; an exception comes back as a RuntimeError that names the class."""
        data = json.loads(serialized_data)
        return RuntimeError(data["raised"]) if isinstance(data, dict) and "raised" in data else data

    def name(self) -> str:
        """Name of the format, stored beside every row."""
        return "cvai_json"


class JobEngine:
    """Queues and runs jobs. DBOS allows one engine per process.

    Args:
        database: where jobs are kept, and this worker.
        steps: the steps of a study's job.
        retry: for the archive and for delivery destinations.
        deliveries: destinations besides the archive.
        watch: observes the progress of jobs.
        shadow: the steps of shadow jobs, None without a shadow model.
        extras: objects that are written besides of what a reader has signed.
        language: of the reports of it.
    """

    def __init__(
        self,
        database: JobDatabase,
        steps: StudySteps,
        retry: RetryPolicy,
        deliveries: Deliveries = NO_DELIVERIES,
        *,
        watch: Watch | None = None,
        shadow: ShadowSteps | None = None,
        extras: Collection[Extra] = (),
        language: str = ENGLISH,
    ) -> None:
        self._database = database
        self._steps = steps
        self._retry = retry
        self._deliveries = deliveries
        self._signing = SigningSteps(
            steps.archive,
            steps.work_folder,
            steps.results_folder,
            steps.check_ownership,
            steps.stored,
            extras,
            language,
        )
        self._watch = watch or NoWatch()
        self._shadow = shadow
        self._running: set[str] = set()
        self._dbos = DBOS(config=_configuration(database))
        workflow = partial(DBOS.workflow, max_recovery_attempts=MAX_RECOVERIES)
        self._workflow = workflow(name=WORKFLOW)(self._entry())
        workflow(name=READING_WORKFLOW)(self._reading_entry())
        self._shadow_workflow = workflow(name=SHADOW_WORKFLOW)(self._shadow_entry())

    def start(self, alone: bool = True) -> None:
        """Start working on the queue and resume unfinished jobs of an earlier worker of the same name.

        The queue has one concurrency for all workers. It is set only by a worker that is ``alone``; others
        fetch with the value in force, while their own setting still limits concurrent analyses.
        """
        DBOS.launch()
        wait_while_disk_full(
            self._dbos._sys_db.engine
        )  # DBOS creates its engine itself and does not expose it
        queue = DBOS.register_queue(
            QUEUE,
            worker_concurrency=self._database.jobs_at_once,
            polling_interval_sec=QUEUE_POLL_S,
            on_conflict="always_update" if alone else "never_update",
        )
        if (in_force := queue.worker_concurrency) != self._database.jobs_at_once:
            log.warning("jobs_at_once_differs", ours=self._database.jobs_at_once, in_force=in_force)

    def submit(self, job: StudyJob, priority: Priority = Priority.ROUTINE) -> bool:
        """Queue a job; False when it has been queued before, whatever its outcome but canceled.

        A job of an older version that covered this analysis with the same models counts too.

        Raises:
            SQLAlchemyError: the disk of the jobs' database is full.
        """
        former = former_job(self._steps.analyses, job)
        with fail_on_full_disk():
            if former is not None and DBOS.list_workflows(workflow_ids=[former.job_id], load_input=False):
                return False
            return self._enqueue(job, priority)

    def _enqueue(self, job: StudyJob, priority: Priority = Priority.ROUTINE) -> bool:
        try:
            with (
                SetWorkflowID(job.job_id, workflow_id_reuse_policy="reject"),
                SetEnqueueOptions(priority=priority),
            ):
                DBOS.enqueue_workflow(QUEUE, self._workflow, *job.arguments)
        except dbos_error.DBOSWorkflowIDInUseError:
            return self._restarted(job)
        log.info("job_queued", job=job.job_id, priority=priority.name)
        return True

    def _restarted(self, job: StudyJob) -> bool:
        """Whether it had ended as canceled, and begins anew since it is wanted again."""
        found = DBOS.list_workflows(workflow_ids=[job.job_id], status="SUCCESS", load_input=False)
        outcomes = (Outcome.from_json(cast("Json", ended.output)) for ended in found)
        if not any(outcome.state is JobState.CANCELED for outcome in outcomes):
            return False
        DBOS.rewind_workflow(job.job_id, queue_name=QUEUE)
        log.info("job_restarted", job=job.job_id)
        return True

    def adopt(self, dead: Iterable[str]) -> int:
        """Put running jobs of dead workers back into the queue; returns how many."""
        # As DBOS's own recovery service does: unlike resume_workflow this skips a job that another worker has
        # taken meanwhile, and keeps counting its recoveries.
        return len(DBOS._recover_pending_workflows(sorted(dead)))

    def stop(self, grace_s: float) -> bool:
        """Take no more jobs and give running ones ``grace_s`` to end.

        Returns False when a job is still running: it is resumed at the next start, the process may be ended.
        """
        # DBOS sleeps for a second before it looks whether a job still runs.
        wait_s = math.ceil(grace_s) if self._running else 0
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=wait_s)
        return not self._running

    def _entry(self) -> Callable[..., Json]:
        """The workflow for studies; a closure, since DBOS writes attributes on it."""

        def study_job(
            study_uid: str, digest: str, model_sha256: str, kind: str = "", chosen: str = ""
        ) -> Json:
            job = StudyJob(study_uid, digest, model_sha256, kind, chosen)
            with bound_contextvars(job=job.job_id), self._logged(job.job_id):
                outcome = self._run_study(job)
                self._submit_successors(job, outcome)
                self._steps.clean(job)
                log.info("job_ended", state=outcome.state, code=outcome.code)
                self._watch.job_ended(job, outcome)
                self._submit_shadow(job, outcome)
                return outcome.to_json()

        return study_job

    def _reading_entry(self) -> Callable[[Json], Json]:
        """The workflow for signed readings."""

        def reading_job(values: Json) -> Json:
            reading = Reading.from_json(values)
            with bound_contextvars(job=reading.reading_id), self._logged(reading.reading_id):
                outcome = self._run_reading(reading)
                self._signing.clean(reading)
                log.info("reading_ended", state=outcome.state, code=outcome.code)
                return outcome.to_json()

        return reading_job

    def _submit_successors(self, job: StudyJob, outcome: Outcome) -> None:
        """Queue the jobs that replace one made for other models, or for all analyses at once."""
        for analysis in self._steps.analyses:
            if analysis.kind in outcome.successors:
                successor = analysis.job_for(job.study_uid, job.digest)
                self._enqueue(replace(successor, chosen=job.chosen))

    def _submit_shadow(self, job: StudyJob, outcome: Outcome) -> None:
        """Queue the shadow model's job behind all others."""
        shadow = None if self._shadow is None else self._shadow.shadows.get(job.kind)
        if shadow is None or job.chosen or outcome.state is not JobState.ANALYSED:
            return
        request = ShadowJob(job, outcome.result, shadow.identity.sha256)
        with (
            suppress(dbos_error.DBOSWorkflowIDInUseError),
            SetWorkflowID(request.shadow_id, workflow_id_reuse_policy="reject"),
            SetEnqueueOptions(priority=Priority.SHADOW),
        ):
            DBOS.enqueue_workflow(QUEUE, self._shadow_workflow, request.to_json())

    def _shadow_entry(self) -> Callable[[Json], Json]:
        """The workflow for a shadow model; a worker without one supersedes its jobs."""

        def shadow_job(values: Json) -> Json:
            request, steps = ShadowJob.from_json(values), self._shadow
            if steps is None:
                return Outcome(JobState.SUPERSEDED, "model_changed").to_json()
            with bound_contextvars(job=request.shadow_id), self._logged(request.shadow_id):
                # One attempt: waiting for the archive is left to jobs whose results are delivered.
                outcome = self._step(request.job, "shadow", partial(steps.run, request), attempts=1)
                steps.clean(request)
                log.info("shadow_ended", state=outcome.state, code=outcome.code)
                return outcome.to_json()

        return shadow_job

    @contextmanager
    def _logged(self, job_id: str) -> Iterator[None]:
        """Track the running job, and log where it broke; the error's text may quote DICOM values."""
        self._running.add(job_id)
        try:
            yield
        finally:
            self._running.discard(job_id)
            if isinstance(error := sys.exception(), Exception):
                log.error("job_broke", error=type(error).__name__, stack=frames_of(error))

    def _run_study(self, job: StudyJob) -> Outcome:
        """Fetch, analyse, store, deliver; stop at the first step that ends the job."""
        fetched = self._step(job, "fetch", partial(self._steps.fetch, job))
        if fetched.state is not JobState.RUNNING:
            return fetched
        analysed = self._step(job, "analyse", partial(self._steps.run_analysis, job))
        if analysed.state is not JobState.ANALYSED and not analysed.objects:
            return analysed
        stored = self._step(job, "store", partial(self._steps.store, job, analysed))
        if stored.state is JobState.WITHHELD:
            stored = replace(stored, result=analysed.result, objects=analysed.objects)
        return self._deliver(job, stored, partial(self._ready_to_deliver, job, stored))

    def _run_reading(self, reading: Reading) -> Outcome:
        """Fetch, write, store and deliver a signed reading."""
        fetched = self._step(reading.job, "fetch", partial(self._signing.fetch, reading))
        if fetched.state is not JobState.RUNNING:
            return fetched
        written = self._step(reading.job, "write", partial(self._signing.write, reading))
        if written.state is not JobState.ANALYSED:
            return written
        stored = self._step(reading.job, "store", partial(self._signing.store, reading, written))
        return self._deliver(reading.job, stored, partial(self._signing.ensure_files, reading, stored))

    def _ready_to_deliver(self, job: StudyJob, stored: Outcome) -> Outcome:
        """The files of a stored result; raises Withheld where its analysis has been stopped meanwhile."""
        made = self._steps.ensure_files(job, stored)
        self._steps.require_released(job, stored)
        return made

    def _deliver(self, job: StudyJob, stored: Outcome, ensure_files: Step) -> Outcome:
        """Deliver stored results to the other destinations; they stay stored if one rejects them."""
        if not self._deliveries.any:
            return stored
        outcome = stored
        for name, deliver in self._steps_of_delivery(job, stored).items():
            if outcome.state is stored.state:
                outcome = self._step(job, name, partial(self._deliver_owned, deliver, stored, ensure_files))
        return replace(outcome, result=stored.result, objects=stored.objects)

    def _steps_of_delivery(self, job: StudyJob, stored: Outcome) -> dict[str, Callable[[Outcome], Outcome]]:
        to = self._deliveries
        if stored.state is JobState.ANALYSED:
            message = partial(to.send_message, job)
            return {"send": to.send_objects, "report": to.send_report, "hl7": message}
        withdraws = any(written.kind == WITHDRAWAL_KIND for written in stored.objects)
        return {"hl7": partial(to.withdraw_messages, job)} if withdraws else {}

    def _deliver_owned(
        self, deliver: Callable[[Outcome], Outcome], stored: Outcome, ensure_files: Step
    ) -> Outcome:
        """Deliver, provided that this worker still owns the job.

        A worker that took the job over after it was stored does not have the files and makes them again,
        identically. Where that is no longer possible, ``deliver`` reports ``results_not_here``.
        """
        ensure_files()
        self._steps.check_ownership()
        return deliver(stored)

    def _step(self, job: StudyJob, name: str, step: Step, attempts: int | None = None) -> Outcome:
        """Run a step, or read its recorded outcome."""
        allowed = attempts or self._retry.attempts
        return Outcome.from_json(DBOS.run_step({"name": name}, self._timed, job.kind, name, step, allowed))

    def _timed(self, kind: str, name: str, step: Step, attempts: int) -> Json:
        log.info("step_begun", step=name)
        started_s = time.monotonic()
        outcome = self._outcome_of(step, attempts)
        took_s = time.monotonic() - started_s
        log.info("step_done", step=name, ms=round(1000 * took_s))
        self._watch.step_done(name, kind, took_s)
        return outcome.to_json()

    def _outcome_of(self, step: Step, attempts: int) -> Outcome:
        """Run a step with retries; the class of an error decides between refused, dead letter and failed."""
        try:
            return self._retrying_full_disk(step, attempts)
        except Refused as error:
            return Outcome.because(JobState.REFUSED, error)
        except Withheld as error:
            return Outcome.because(JobState.WITHHELD, error)
        except Canceled as error:
            return Outcome.because(JobState.CANCELED, error)
        except TemporarilyUnavailable as error:
            return Outcome.because(JobState.DEAD_LETTER, error)
        except CvaiError as error:
            return Outcome.because(JobState.FAILED, error)

    def _retrying_full_disk(self, step: Step, attempts: int) -> Outcome:
        """Run a step with retries; without limit while a local disk is full."""
        while True:
            try:
                return self._retrying(step, attempts)
            except TemporarilyUnavailable as error:
                if not is_disk_failure(error) or attempts == 1:
                    raise

    def _retrying(self, step: Step, attempts: int) -> Outcome:
        caller = stamina.RetryingCaller(
            attempts=attempts,
            timeout=None,
            wait_initial=self._retry.first_wait_s,
            wait_max=self._retry.longest_wait_s,
        )
        return caller(retry_wait(self._retry), disk_errors_retried()(step))


def retry_wait(retry: RetryPolicy) -> Callable[[Exception], bool | float]:
    """The longer of the doubling wait and the one that the peer requests, at most ``longest_wait_s``.

    stamina replaces its own wait by a requested one, so the doubling wait is tracked here too.
    """
    doubling = (min(retry.first_wait_s * 2**n, retry.longest_wait_s) for n in count())

    def wait(error: Exception) -> bool | float:
        if not isinstance(error, TemporarilyUnavailable):
            return False
        requested_s = min(error.retry_after_s, retry.longest_wait_s)
        return requested_s if requested_s > next(doubling) else True

    return wait


def _configuration(database: JobDatabase) -> DBOSConfig:
    """DBOS without any connection but to the database."""
    is_sqlite = database.url.startswith("sqlite")
    return {
        "name": APPLICATION,
        "system_database_url": database.url,
        "application_version": WORKFLOW_VERSION,
        "executor_id": database.worker,
        "serializer": JsonSerializer(),
        "enable_otlp": False,
        "db_engine_kwargs": {"connect_args": {"factory": SmallCacheConnection}} if is_sqlite else None,
        "notification_listener_polling_interval_sec": LISTENER_POLL_S,
        "sys_db_idle_transaction_timeout_sec": FROZEN_TRANSACTION_S,
        "log_level": "ERROR",
    }
