"""The service: composition root, and the loop that runs until it is stopped."""

from __future__ import annotations

import fcntl
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TypeAlias

import structlog
from pydantic import SecretStr
from sqlalchemy import Engine

from cvai.archive.cursor import CursorFile, CursorRow
from cvai.archive.dicomweb.archive import DicomwebArchive
from cvai.archive.dicomweb.qido import QidoFeed
from cvai.archive.dicomweb.requests import AnswerLimits
from cvai.archive.folder.archive import FolderArchive
from cvai.archive.folder.inbox import InboxFeed
from cvai.archive.http import new_session
from cvai.archive.odd import OddAnswers
from cvai.archive.orthanc.archive import OrthancArchive, OrthancFeed
from cvai.archive.orthanc.rest import OrthancRest
from cvai.archive.port import Archive, StudyFeed
from cvai.archive.seen import SeenStudies
from cvai.audit.messages import Act, AuditedObject, AuditEvent, open_audit_trail
from cvai.dicom.write.plan import Extra
from cvai.domain.shares import Share
from cvai.errors import ConfigurationInvalid, TemporarilyUnavailable
from cvai.files import private_file, private_folder
from cvai.jobs.analysis_slots import AnalysisSlots, UnendedAnalyses
from cvai.jobs.cancellations import Cancellations
from cvai.jobs.connections import Connections
from cvai.jobs.database import open_database
from cvai.jobs.deliver import Deliveries
from cvai.jobs.feed_files import take_over_feed_files
from cvai.jobs.feeds import follow
from cvai.jobs.heartbeat import DeclaredDead, Heartbeat, require_living
from cvai.jobs.installed import Installed
from cvai.jobs.job import Outcome
from cvai.jobs.jobs import JobDatabase, JobEngine, RetryPolicy
from cvai.jobs.ledger import open_ledger
from cvai.jobs.looking import Looking
from cvai.jobs.queue import Queue, ended_well
from cvai.jobs.rules import read_rules
from cvai.jobs.shadow import ShadowSteps
from cvai.jobs.steps import CheckOwnership, StudySteps
from cvai.jobs.stops import Stops
from cvai.jobs.worker_registry import WorkerRegistry
from cvai.jobs.worklist import WorklistFeed
from cvai.ops.backup.places import RESTORING
from cvai.ops.drift import HeadlineValues
from cvai.ops.health import Pulse, Readiness, Routes
from cvai.ops.metrics import Metrics, Sources
from cvai.ops.monitor import monitored
from cvai.ops.private import make_private
from cvai.ops.retention import SWEPT_EVERY_S, Limits, Retention
from cvai.ops.scanner_drift import ScannerDrifts
from cvai.settings import Settings
from cvai.transfer.ups import Worklist
from cvai.transfer.ups_events import WorkitemEvents

log = structlog.get_logger(__name__)


SCANNERS_COMPARED_EVERY_S = 600.0
"""Metrics compare scanners no more often: a hundred numbers of several scanners take half a second."""

OpenFeed: TypeAlias = Callable[[Engine], StudyFeed]
"""Opens an archive's feed, whose position is kept in the jobs' database."""


def open_archive(settings: Settings, odd: OddAnswers | None = None) -> tuple[Archive, OpenFeed]:
    """The configured archive and a function that opens its feed; connects to nothing.

    Args:
        settings: of the service.
        odd: counts skipped parts of responses.
    """
    odd = odd or OddAnswers()
    match settings.archive:
        case "folder":
            return _open_folder(settings)
        case "orthanc":
            return _open_orthanc(settings, odd)
        case "dicomweb":
            return _open_dicomweb(settings, odd)


def _open_folder(settings: Settings) -> tuple[Archive, OpenFeed]:
    folder = FolderArchive(settings.archive_folder)

    def feed(database: Engine) -> StudyFeed:
        seen = SeenStudies(database, "folder")
        return InboxFeed(settings.inbox_folder, folder, seen, settings.folder.settle_s)

    return folder, feed


def _open_orthanc(settings: Settings, odd: OddAnswers) -> tuple[Archive, OpenFeed]:
    orthanc = settings.orthanc
    session = new_session(orthanc.username, _revealed(orthanc.password))
    rest = OrthancRest(orthanc.url, session, orthanc.timeout_s, answer_limits(settings), odd)
    archive = OrthancArchive(rest, session, orthanc.timeout_s, orthanc.dicomweb_path)

    def feed(database: Engine) -> StudyFeed:
        return OrthancFeed(rest, CursorRow(database, "orthanc"), from_now=orthanc.backlog == "ignore")

    return archive, feed


def _open_dicomweb(settings: Settings, odd: OddAnswers) -> tuple[Archive, OpenFeed]:
    dicomweb = settings.dicomweb
    session = new_session(dicomweb.username, _revealed(dicomweb.password))
    archive = DicomwebArchive(dicomweb.url, session, dicomweb.timeout_s, answer_limits(settings), odd)

    def feed(database: Engine) -> StudyFeed:
        return QidoFeed(
            archive,
            SeenStudies(database, "dicomweb"),
            settle_s=dicomweb.settle_s,
            look_back_days=dicomweb.look_back_days,
            older=dicomweb.older == "analyse",
            odd=odd,
        )

    return archive, feed


def open_worklist(settings: Settings, odd: OddAnswers, database: Engine) -> WorklistFeed | None:
    """The configured worklist, which replaces the archive's feed; connects to nothing."""
    worklist = settings.worklist
    if worklist.url is None:
        return None
    session = new_session(worklist.username, _revealed(worklist.password))
    claims = CursorFile(settings.data_folder / "worklist.json")
    server = Worklist(
        worklist.url,
        session,
        worklist.timeout_s,
        worklist.station,
        largest_json_bytes=answer_limits(settings).json_bytes,
        odd=odd,
    )
    if worklist.events_url is None:
        return WorklistFeed(server, claims)
    events = WorkitemEvents(
        worklist.url,
        worklist.events_url,
        session,
        worklist.timeout_s,
        settings.dicom.ae_title,
        whole_worklist=worklist.subscribe == "worklist",
        odd=odd,
    )
    return WorklistFeed(server, claims, events, Cancellations(database))


def answer_limits(settings: Settings) -> AnswerLimits:
    """Size limits of responses."""
    return AnswerLimits(round(settings.limits.json_mb * 1e6), round(settings.limits.instance_mb * 1e6))


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


class Service:
    """Follows an archive and runs jobs.

    Args:
        settings: of the service.
        analyses: installed analyses.
        follow_feed: whether to look for new studies, or only to run jobs.
        beside: context that is active while jobs run: the reader's page, which also serves the routes.
        coverage: share of signed values within their interval, as metrics show it.
    """

    def __init__(
        self,
        settings: Settings,
        analyses: Sequence[Installed],
        follow_feed: bool,
        beside: Callable[[Routes], AbstractContextManager[object]] = nullcontext,
        coverage: Callable[[], Mapping[tuple[str, str], Share]] = dict,
    ) -> None:
        self._settings = settings
        self._analyses = tuple(analyses)
        self._follow_feed = follow_feed
        self._beside = beside
        self._coverage = coverage
        self._odd = OddAnswers()
        self._archive, self._open_feed = open_archive(settings, self._odd)
        self._worklist: WorklistFeed | None = None
        self._rules = read_rules(settings)
        self._trail = open_audit_trail(settings)
        self._connections = Connections(settings, follow_feed, self._odd)

    def run(self, stop: threading.Event) -> bool:
        """Serve until ``stop`` is set; False when a job is still running and must be aborted.

        Raises:
            ConfigurationInvalid: another worker of this name uses the data folder.
            DeclaredDead: other workers have taken over the jobs of this process, which missed heartbeats.
        """
        settings = self._settings
        with only_one(settings.data_folder, settings.worker_name), self._connections.opened():
            make_private(settings)
            self._trail.record(AuditEvent(Act.STARTED, settings.worker_name, requested=False))
            database = open_database(settings.jobs_database_url)
            try:
                return self._run_as(database, stop)
            finally:
                database.dispose()

    def _run_as(self, database: Engine, stop: threading.Event) -> bool:
        settings = self._settings
        feed = self._followed(database)
        registry = WorkerRegistry(database)
        worker = registry.register(settings.worker_name, place_of(settings))
        # Leftovers of an earlier start; studies are fetched again by the worker that takes the job.
        shutil.rmtree(work_folder(settings), ignore_errors=True)
        queue = Queue(database)
        metrics = self._metrics(registry, queue, database)
        deliveries = self._connections.deliveries(database, queue.running).recorded(self._audit_exported)
        check_ownership = partial(require_living, registry, worker)
        engine = self._engine(database, worker, check_ownership, metrics, deliveries)
        engine.start(alone=registry.living().keys() == {worker})
        beat_s = settings.heartbeat_s
        heartbeat = Heartbeat(
            registry, worker, beat_s, queue.workers_at_work, engine.adopt, on_death=stop.set
        )
        heartbeat.start()
        log.info("serving", worker=worker, archive=settings.archive, feed=self._follow_feed)
        pulse = Pulse()
        routes = {
            "/metrics": metrics.exposition,
            "/healthz": pulse.healthz,
            "/readyz": Readiness(self._archive, registry, worker, settings.data_folder).readyz,
        }
        with monitored(settings.monitor_address, routes), self._beside(routes):
            self._loop(self._looking(feed, engine, metrics), pulse, stop)
        if heartbeat.declared_dead:
            raise DeclaredDead
        log.info("stopping", grace_s=settings.shutdown_grace_s)
        ended = engine.stop(settings.shutdown_grace_s)
        heartbeat.stop()
        self._record_stop()
        log.info("stopped", cut_off=not ended)
        return ended

    def _record_stop(self) -> None:
        """Audit the stop; a failure to do so does not prevent it."""
        try:
            self._trail.record(AuditEvent(Act.STOPPED, self._settings.worker_name, requested=False))
        except TemporarilyUnavailable as error:
            log.warning("stop_not_recorded", code=error.code)

    def _followed(self, database: Engine) -> StudyFeed | None:
        """The feed to follow; None for a worker that only runs jobs."""
        if not self._follow_feed:
            return None
        self._worklist = open_worklist(self._settings, self._odd, database)
        if self._worklist is not None:
            return self._worklist
        take_over_feed_files(self._settings.data_folder, database, self._settings.archive)
        return self._open_feed(database)

    def _engine(
        self,
        database: Engine,
        worker: str,
        check_ownership: CheckOwnership,
        metrics: Metrics,
        deliveries: Deliveries,
    ) -> JobEngine:
        settings = self._settings
        steps = StudySteps(
            archive=self._archive,
            analyses=self._analyses,
            work_folder=work_folder(settings),
            results_folder=settings.results_folder,
            slots=AnalysisSlots(settings.jobs_at_once, UnendedAnalyses(database)),
            check_ownership=check_ownership,
            rules=self._rules,
            stored=self._audit_stored,
            stop_of=Stops(database).of,
            is_canceled=Cancellations(database).includes,
        )
        retry = settings.retry
        return JobEngine(
            JobDatabase(settings.jobs_database_url, worker, settings.jobs_at_once),
            steps,
            RetryPolicy(retry.attempts, retry.first_wait_s, retry.longest_wait_s),
            deliveries,
            watch=metrics,
            shadow=self._shadow_steps(steps, metrics),
            extras=tuple(map(Extra, settings.extra_objects)),
            language=settings.review.language,
        )

    def _shadow_steps(self, steps: StudySteps, metrics: Metrics) -> ShadowSteps | None:
        """The steps of shadow jobs, with the folders and slots of ``steps``."""
        shadows = {a.kind: a.shadow for a in self._analyses if a.shadow is not None}
        if not shadows:
            return None
        return ShadowSteps(
            archive=steps.archive,
            shadows=shadows,
            work_folder=steps.work_folder,
            results_folder=steps.results_folder,
            slots=steps.slots,
            check_ownership=steps.check_ownership,
            recorded=metrics.shadow_recorded,
        )

    def _audit_stored(self, study_uid: str, objects: tuple[AuditedObject, ...]) -> None:
        worker = self._settings.worker_name
        self._trail.record(AuditEvent(Act.STORED, worker, study_uid, objects, requested=False))

    def _audit_exported(self, study_uid: str, objects: tuple[AuditedObject, ...], to: str) -> None:
        worker = self._settings.worker_name
        self._trail.record(AuditEvent(Act.EXPORTED, worker, study_uid, objects, requested=False, detail=to))

    def _metrics(self, registry: WorkerRegistry, queue: Queue, database: Engine) -> Metrics:
        sources = Sources(
            queue.state,
            lambda: len(registry.living()),
            HeadlineValues(database),
            self._settings.data_folder,
            self._odd,
            self._coverage,
            Stops(database).all,
            ScannerDrifts(database, kept_s=SCANNERS_COMPARED_EVERY_S),
        )
        return Metrics(self._analyses, self._settings.results_folder, sources)

    def _loop(self, looking: Looking | None, pulse: Pulse, stop: threading.Event) -> None:
        settings = self._settings
        limits = Limits(settings.keep.results_days, settings.keep.results_gb)
        retention = Retention(settings.results_folder, limits, ended_well)
        wait_s, swept_s = settings.looks_every_s, -SWEPT_EVERY_S
        while not stop.is_set():
            pulse.beat()
            if time.monotonic() - swept_s >= SWEPT_EVERY_S:
                retention.sweep()
                self._coverage()  # the log says where intervals have ceased to hold, though nobody scrapes
                swept_s = time.monotonic()
            if looking is not None:
                wait_s = looking.wait_s(wait_s)
            stop.wait(wait_s)

    def _looking(self, feed: StudyFeed | None, engine: JobEngine, metrics: Metrics) -> Looking | None:
        """The polling of the feed; None for a worker that only runs jobs."""
        if feed is None:
            return None
        settings = self._settings
        look = partial(self._look, feed, engine, metrics)
        return Looking(look, settings.looks_every_s, settings.retry.longest_wait_s, metrics)

    def _look(self, feed: StudyFeed, engine: JobEngine, metrics: Metrics) -> bool:
        """Queue settled studies and report ended jobs to the worklist; True when more studies wait."""
        more = follow(feed, self._archive, engine.submit, self._analyses, self._rules)
        if self._worklist is not None:
            self._worklist.report(self._newest_outcome, self._settings.results_folder)
        if isinstance(feed, InboxFeed):
            metrics.inbox_looked_into(len(feed.obstacles))
        return more

    def _newest_outcome(self, study_uid: str) -> Outcome | None:
        with open_ledger(self._settings.jobs_database_url) as ledger:
            return ledger.outcome_of(study_uid)


def work_folder(settings: Settings) -> Path:
    """Folder of temporary files of this worker alone."""
    return settings.data_folder / "work" / settings.worker_name


def place_of(settings: Settings) -> str:
    """Identifies the lock of ``only_one`` across machines."""
    return f"{socket.gethostname()}:{settings.data_folder.absolute()}:{settings.worker_name}"


@contextmanager
def only_one(data_folder: Path, worker_name: str) -> Iterator[None]:
    """Lock the data folder for one worker of this name: two would resume the same jobs.

    Raises:
        ConfigurationInvalid: another process holds it, or a backup is being restored into it.
    """
    # Holds patients' studies: accessible to the service's user only.
    private_folder(data_folder)
    with private_file(data_folder / f"{worker_name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationInvalid(
                "worker_name_taken",
                f"another {worker_name} is running in {data_folder}.",
                "Stop it first, or give this one a worker_name or data_folder of its own.",
            ) from error
        if (data_folder / RESTORING).exists():
            raise ConfigurationInvalid(
                "restore_unfinished",
                "a restore into this data folder has not finished.",
                "Wait for it; where it was interrupted, run cvai restore --replace again.",
            )
        yield
