"""Durable jobs: what was queued is worked on exactly to its end, through crashes and restarts.

The workflow runs on DBOS Transact: every step's outcome is a row in a database before the next step begins.
A worker that dies leaves its jobs marked as running; a living one adopts them, and they go on after their
last finished step. A step can therefore run twice, and each one may.
"""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import stamina
import structlog
from dbos import DBOS, DBOSConfig, Serializer, SetEnqueueOptions, SetWorkflowID
from dbos import error as dbos_error
from structlog.contextvars import bound_contextvars

from cvai.errors import CvaiError, Refused, TemporarilyUnavailable
from cvai.jobs.database import SmallCacheConnection
from cvai.jobs.deliver import Deliveries
from cvai.jobs.full_disk import at_once, own_disk, wait_for_room, wants_room
from cvai.jobs.installed import former_job
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.reading import Reading
from cvai.jobs.rules import Priority
from cvai.jobs.shadow import ShadowJob, ShadowSteps
from cvai.jobs.signing import SigningSteps
from cvai.jobs.steps import StudySteps

log = structlog.get_logger(__name__)

APPLICATION = "cvai"
QUEUE = "studies"
WORKFLOW = "study_job"
READING_WORKFLOW = "reading_job"
SHADOW_WORKFLOW = "shadow_job"
WORKFLOW_VERSION = "1"
"""DBOS resumes a job only under the version that began it. The version therefore names the sequence of steps,
not the release: it changes only when jobs under way cannot go on with the new steps."""

MAX_RECOVERIES = 30
"""Whatever a job was at when its worker died. One that kills its worker as it is analysed is given up long
before, see ``AnalysisSlots``; what stood beside it has died as often by then, and goes on."""

QUEUE_POLL_S = 0.1

FROZEN_TRANSACTION_S = 10.0
"""After which PostgreSQL ends the transaction of a worker that froze in it: others want its rows."""

NOBODY_ELSE = Deliveries()

Json: TypeAlias = dict[str, Any]
Step: TypeAlias = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class JobDatabase:
    """Where jobs are kept and who works on them.

    Args:
        url: SQLAlchemy URL, SQLite or PostgreSQL.
        worker: unique among the workers of one database, see ``WorkerRegistry``.
        jobs_at_once: jobs this worker works on at the same time.
    """

    url: str
    worker: str
    jobs_at_once: int


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a step waits for an archive that does not answer: attempts in all, and waits that double."""

    attempts: int
    first_wait_s: float
    longest_wait_s: float


class Watch(Protocol):
    """Is told how jobs go, and must not raise."""

    def step_done(self, step: str, kind: str, seconds: float) -> None:
        """A step of a job of this kind has ended, whatever it came to."""
        ...

    def job_ended(self, job: StudyJob, outcome: Outcome) -> None:
        """A job has come to its end."""
        ...


class Unwatched:
    """Nobody wants to know."""

    def step_done(self, step: str, kind: str, seconds: float) -> None:
        """See ``Watch``."""

    def job_ended(self, job: StudyJob, outcome: Outcome) -> None:
        """See ``Watch``."""


class JsonSerializer(Serializer):
    """Keeps rows readable, and a database that others may write to from running code here, as pickles would.

    An exception is kept by its class alone: its text could quote a DICOM value.
    """

    def serialize(self, data: Any) -> str:
        """JSON of plain values, or of an exception's class."""
        return json.dumps({"raised": type(data).__name__} if isinstance(data, BaseException) else data)

    def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805 - the base class names it so
        """The plain values; an exception comes back as a RuntimeError that names the class."""
        data = json.loads(serialized_data)
        return RuntimeError(data["raised"]) if isinstance(data, dict) and "raised" in data else data

    def name(self) -> str:
        """Stored beside every row."""
        return "cvai_json"


class JobEngine:
    """Queues jobs and works on them. DBOS allows one in a process at a time.

    Args:
        database: where jobs are kept and who works on them.
        steps: what is done for a job.
        retry: patience with the archive, and with those who are given results besides.
        deliveries: who is.
        watch: is told how jobs go.
        shadow: what second models do, None without any.
    """

    def __init__(
        self,
        database: JobDatabase,
        steps: StudySteps,
        retry: RetryPolicy,
        deliveries: Deliveries = NOBODY_ELSE,
        *,
        watch: Watch | None = None,
        shadow: ShadowSteps | None = None,
    ) -> None:
        self._database = database
        self._steps = steps
        self._retry = retry
        self._deliveries = deliveries
        self._signing = SigningSteps(
            steps.archive, steps.work_folder, steps.results_folder, steps.check_ownership, steps.stored
        )
        self._watch = watch or Unwatched()
        self._shadow = shadow
        self._running: set[str] = set()
        self._dbos = DBOS(config=_configuration(database))
        workflow = partial(DBOS.workflow, max_recovery_attempts=MAX_RECOVERIES)
        self._workflow = workflow(name=WORKFLOW)(self._entry())
        workflow(name=READING_WORKFLOW)(self._reading_entry())
        self._shadow_workflow = workflow(name=SHADOW_WORKFLOW)(self._shadow_entry())

    def start(self, alone: bool = True) -> None:
        """Work on the queue from now on, and on what a worker called the same has left unfinished.

        The queue has one number of jobs that each worker takes at once. Who is alone sets it; beside others
        it stands as they know it, and a worker that was told another number takes theirs, analyses its own.
        """
        DBOS.launch()
        wait_for_room(self._dbos._sys_db.engine)  # DBOS makes its engine by itself, and shows it to nobody
        queue = DBOS.register_queue(
            QUEUE,
            worker_concurrency=self._database.jobs_at_once,
            polling_interval_sec=QUEUE_POLL_S,
            on_conflict="always_update" if alone else "never_update",
        )
        if (in_force := queue.worker_concurrency) != self._database.jobs_at_once:
            log.warning("jobs_at_once_differs", ours=self._database.jobs_at_once, in_force=in_force)

    def submit(self, job: StudyJob, priority: Priority = Priority.ROUTINE) -> bool:
        """Queue a job; False when this job has been queued before, whatever has become of it.

        So it is when an older version had a job that did the same, by the same models, among others.

        Raises:
            SQLAlchemyError: the disk of the jobs' database is full.
        """
        former = former_job(self._steps.analyses, job)
        with at_once():
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
            return False
        log.info("job_queued", job=job.job_id, priority=priority.name)
        return True

    def adopt(self, dead: Iterable[str]) -> int:
        """Put running jobs of workers that do not live back into the queue; returns how many."""
        # What DBOS's own recovery service calls: unlike resume_workflow it leaves a job alone that somebody
        # else has taken meanwhile, and goes on counting how often the job's worker died.
        return len(DBOS._recover_pending_workflows(sorted(dead)))

    def stop(self, grace_s: float) -> bool:
        """Take no more jobs and give running ones ``grace_s`` to end.

        Returns False when one is still at it: it goes on at the next start, and the process may be ended.
        """
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=math.ceil(grace_s))
        return not self._running

    def _entry(self) -> Callable[..., Json]:
        """The function DBOS knows by name; a closure, since DBOS writes attributes on it."""

        def study_job(study_uid: str, digest: str, model_sha256: str, kind: str = "") -> Json:
            job = StudyJob(study_uid, digest, model_sha256, kind)
            with bound_contextvars(job=job.job_id), self._watched(job.job_id):
                outcome = self._line(job)
                self._submit_successors(job, outcome)
                self._steps.clean(job)
                log.info("job_ended", state=outcome.state, code=outcome.code)
                self._watch.job_ended(job, outcome)
                self._submit_shadow(job, outcome)
                return outcome.to_json()

        return study_job

    def _reading_entry(self) -> Callable[[Json], Json]:
        """The function for what readers have signed, beside the one for studies."""

        def reading_job(values: Json) -> Json:
            reading = Reading.from_json(values)
            with bound_contextvars(job=reading.reading_id), self._watched(reading.reading_id):
                outcome = self._reading_line(reading)
                self._signing.clean(reading)
                log.info("reading_ended", state=outcome.state, code=outcome.code)
                return outcome.to_json()

        return reading_job

    def _submit_successors(self, job: StudyJob, outcome: Outcome) -> None:
        """Queue what takes the place of a job that was queued for other models, or for all at once."""
        for analysis in self._steps.analyses:
            if analysis.kind in outcome.successors:
                self._enqueue(analysis.job_for(job.study_uid, job.digest))

    def _submit_shadow(self, job: StudyJob, outcome: Outcome) -> None:
        """Have a second model measure what was delivered, once nothing else waits."""
        shadow = None if self._shadow is None else self._shadow.shadows.get(job.kind)
        if shadow is None or outcome.state is not JobState.ANALYSED:
            return
        asked = ShadowJob(job, outcome.result, shadow.identity.sha256)
        with (
            suppress(dbos_error.DBOSWorkflowIDInUseError),
            SetWorkflowID(asked.shadow_id, workflow_id_reuse_policy="reject"),
            SetEnqueueOptions(priority=Priority.SHADOW),
        ):
            DBOS.enqueue_workflow(QUEUE, self._shadow_workflow, asked.to_json())

    def _shadow_entry(self) -> Callable[[Json], Json]:
        """The function for a second model; a worker without one lets its jobs be."""

        def shadow_job(values: Json) -> Json:
            asked, steps = ShadowJob.from_json(values), self._shadow
            if steps is None:
                return Outcome(JobState.SUPERSEDED, "model_changed").to_json()
            with bound_contextvars(job=asked.shadow_id), self._watched(asked.shadow_id):
                # Once: an archive that does not answer is waited for by those whose results are.
                outcome = self._step(asked.job, "shadow", partial(steps.run, asked), attempts=1)
                steps.clean(asked)
                log.info("shadow_ended", state=outcome.state, code=outcome.code)
                return outcome.to_json()

        return shadow_job

    @contextmanager
    def _watched(self, job_id: str) -> Iterator[None]:
        """Know that the job runs, and tell where it broke; an exception's text may quote a DICOM value."""
        self._running.add(job_id)
        try:
            yield
        finally:
            self._running.discard(job_id)
            if isinstance(error := sys.exception(), Exception):
                frames = traceback.extract_tb(error.__traceback__)
                stack = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
                log.error("job_broke", error=type(error).__name__, stack=stack)

    def _line(self, job: StudyJob) -> Outcome:
        """Fetch, analyse, store; the first step that ends the job is the last."""
        fetched = self._step(job, "fetch", partial(self._steps.fetch, job))
        if fetched.state is not JobState.RUNNING:
            return fetched
        analysed = self._step(job, "analyse", partial(self._steps.run_analysis, job))
        if analysed.state is not JobState.ANALYSED and not analysed.objects:
            return analysed
        stored = self._step(job, "store", partial(self._steps.store, job, analysed))
        return self._handed_on(job, stored, partial(self._steps.at_hand, job, stored))

    def _reading_line(self, reading: Reading) -> Outcome:
        """Fetch, write, store what a reader has signed."""
        fetched = self._step(reading.job, "fetch", partial(self._signing.fetch, reading))
        if fetched.state is not JobState.RUNNING:
            return fetched
        written = self._step(reading.job, "write", partial(self._signing.write, reading))
        if written.state is not JobState.ANALYSED:
            return written
        stored = self._step(reading.job, "store", partial(self._signing.store, reading, written))
        return self._handed_on(reading.job, stored, partial(self._signing.at_hand, reading, stored))

    def _handed_on(self, job: StudyJob, stored: Outcome, at_hand: Step) -> Outcome:
        """Give what is stored to all others who want it; it stays stored where one will not have it."""
        if stored.state is not JobState.ANALYSED or not self._deliveries.any:
            return stored
        outcome = stored
        for name, hand_on in (
            ("send", self._deliveries.send_objects),
            ("report", self._deliveries.send_report),
        ):
            if outcome.state is JobState.ANALYSED:
                outcome = self._step(job, name, partial(self._given, hand_on, stored, at_hand))
        return replace(outcome, result=stored.result, objects=stored.objects)

    def _given(self, hand_on: Callable[[Outcome], Outcome], stored: Outcome, at_hand: Step) -> Outcome:
        """Others see what is handed on, so the job has to be this worker's still.

        A worker that took the job over after it was stored does not have the files: they are made again, the
        same. Where that is not possible any more, handing on says that they are not here.
        """
        at_hand()
        self._steps.check_ownership()
        return hand_on(stored)

    def _step(self, job: StudyJob, name: str, step: Step, attempts: int | None = None) -> Outcome:
        """Run a step, or read what it came to when it has run before."""
        tried = attempts or self._retry.attempts
        return Outcome.from_json(DBOS.run_step({"name": name}, self._timed, job.kind, name, step, tried))

    def _timed(self, kind: str, name: str, step: Step, attempts: int) -> Json:
        log.info("step_begun", step=name)
        begun_s = time.monotonic()
        outcome = self._settled(step, attempts)
        took_s = time.monotonic() - begun_s
        log.info("step_done", step=name, ms=round(1000 * took_s))
        self._watch.step_done(name, kind, took_s)
        return outcome.to_json()

    def _settled(self, step: Step, attempts: int) -> Outcome:
        """Let the class of an error decide: wait and try again, refuse, or fail."""
        try:
            return self._patiently(step, attempts)
        except Refused as error:
            return Outcome.because(JobState.REFUSED, error)
        except TemporarilyUnavailable as error:
            return Outcome.because(JobState.DEAD_LETTER, error)
        except CvaiError as error:
            return Outcome.because(JobState.FAILED, error)

    def _patiently(self, step: Step, attempts: int) -> Outcome:
        """Run a step as often as it takes; a full disk of our own is waited out however long it is."""
        while True:
            try:
                return self._tried(step, attempts)
            except TemporarilyUnavailable as error:
                if not wants_room(error) or attempts == 1:
                    raise

    def _tried(self, step: Step, attempts: int) -> Outcome:
        caller = stamina.RetryingCaller(
            attempts=attempts,
            timeout=None,
            wait_initial=self._retry.first_wait_s,
            wait_max=self._retry.longest_wait_s,
        )
        return caller(asked_or_doubling(self._retry), own_disk()(step))


def asked_or_doubling(retry: RetryPolicy) -> Callable[[Exception], bool | float]:
    """Of the wait that has doubled and the one the other side asks for, the longer; never over the longest.

    stamina lets a wait that is asked for take the place of its own, so its own is counted along.
    """
    doubling = (min(retry.first_wait_s * 2**n, retry.longest_wait_s) for n in count())

    def wait(error: Exception) -> bool | float:
        if not isinstance(error, TemporarilyUnavailable):
            return False
        asked_s = min(error.retry_after_s, retry.longest_wait_s)
        return asked_s if asked_s > next(doubling) else True

    return wait


def _configuration(database: JobDatabase) -> DBOSConfig:
    """DBOS with everything off that talks to anybody but the database."""
    is_sqlite = database.url.startswith("sqlite")
    return {
        "name": APPLICATION,
        "system_database_url": database.url,
        "application_version": WORKFLOW_VERSION,
        "executor_id": database.worker,
        "serializer": JsonSerializer(),
        "enable_otlp": False,
        "db_engine_kwargs": {"connect_args": {"factory": SmallCacheConnection}} if is_sqlite else None,
        "sys_db_idle_transaction_timeout_sec": FROZEN_TRANSACTION_S,
        "log_level": "ERROR",
    }
