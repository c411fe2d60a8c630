"""The page served from a thread of the service, and what it does beside answering requests."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import structlog
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from cvai.archive.port import Archive
from cvai.errors import ConfigurationInvalid, CvaiError
from cvai.jobs.database import open_database
from cvai.jobs.ledger import Ledger, open_ledger
from cvai.ops.scanner_drift import ScannerDrifts
from cvai.review.app import create_app
from cvai.review.connections import ACCEPTED_AT_ONCE, limited
from cvai.review.database import Database
from cvai.review.decisions import Decisions, Drafts
from cvai.review.listing import Listing, Query
from cvai.review.page import Page, PageOptions, Record
from cvai.review.sign_in.accounts import Accounts
from cvai.review.sign_in.first_token import FirstToken
from cvai.review.sign_in.oidc import OpenIdProvider
from cvai.review.statements import Statements
from cvai.review.summary import StudyFolders, Summary
from cvai.review.uploads import Uploads
from cvai.review.viewers.cine import CineCache
from cvai.review.worklist import Worklist

log = structlog.get_logger(__name__)

DATABASE_NAME, CINES_NAME = "review.sqlite", "cines"
CHORE_EVERY_S = 2.0
PREPARED_AHEAD = 20
"""Newest unread studies whose images are kept ready, so that opening one takes no time."""
STOP_WITHIN_S = 5.0


@contextmanager
def serving(
    options: PageOptions,
    *,
    archive: Archive,
    database_url: str,
    data_folder: Path,
    archive_folder: Path | None,
    inbox: Path | None,
    record: Record,
    service_routes: Mapping[str, Callable[[], tuple[int, str, str]]],
    announce: Callable[[str], None],
    provider: OpenIdProvider | None = None,
) -> Iterator[None]:
    """Serve the page while the context lasts; the jobs' database must exist.

    Args:
        options: how the page is reached and what it may use.
        archive: where studies are kept.
        database_url: of the jobs.
        data_folder: of the service.
        archive_folder: of the embedded archive; None with another one.
        inbox: of the embedded archive, for uploads; None with another one.
        record: keeps who did what.
        service_routes: see ``Page``.
        announce: called with a text that says where the page is and how to sign in the first time.
        provider: see ``Page``; with one, no first token is made.

    Raises:
        ConfigurationInvalid: ``page_address_taken``.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(_listener(options))
        ledger = stack.enter_context(open_ledger(database_url))
        database = Database(data_folder / DATABASE_NAME)
        stack.callback(database.close)
        page = _page(
            options,
            ledger,
            database,
            archive=archive,
            data_folder=data_folder,
            archive_folder=archive_folder,
            record=record,
        )
        first_token = FirstToken(data_folder) if provider is None else None
        page = replace(page, service_routes=service_routes, provider=provider, first_token=first_token)
        jobs = open_database(database_url)
        stack.callback(jobs.dispose)
        page = replace(page, scanners=ScannerDrifts(jobs).all)
        if inbox is not None:
            page = replace(page, uploads=Uploads(inbox))
        # Before the page answers, so that whoever reaches it can sign in.
        is_first = first_token is not None and first_token.give(page.accounts)
        stack.enter_context(_thread("page", _Server(page, listener)))
        stack.enter_context(_thread("page-chores", Chores(page)))
        announce(f"Reader's page: {options.url}")
        if first_token is not None and is_first:
            announce(f"Sign in with the token in {first_token.path}; the file goes when it has been used.")
        yield


def _page(
    options: PageOptions,
    ledger: Ledger,
    database: Database,
    *,
    archive: Archive,
    data_folder: Path,
    archive_folder: Path | None,
    record: Record,
) -> Page:
    decisions, drafts = Decisions(database), Drafts(database)
    results_folder = data_folder / "results"
    folders = StudyFolders(results_folder, data_folder / "work", archive_folder)
    return Page(
        options=options,
        ledger=ledger,
        accounts=Accounts(database, options.session),
        worklist=Worklist(ledger, folders, Listing(database)),
        cines=CineCache(archive, data_folder / CINES_NAME, options.cache_bytes),
        decisions=decisions,
        drafts=drafts,
        statements=Statements(database),
        results_folder=results_folder,
        record=record,
    )


@contextmanager
def _listener(options: PageOptions) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((options.host, options.port), backlog=128)
    except OSError as error:
        raise ConfigurationInvalid(
            "page_address_taken",
            f"the reader's page cannot listen on {options.host}:{options.port}: {error.strerror}.",
            "Choose another review.address.",
        ) from error
    with listener:
        yield listener


class _Server:
    """uvicorn in a thread; its log lines are not wanted, they name addresses."""

    def __init__(self, page: Page, listener: socket.socket) -> None:
        options = page.options
        config = uvicorn.Config(
            create_app(page),
            http=limited(options.connections, options.connections_per_address, options.proxies),
            ws="none",
            backlog=ACCEPTED_AT_ONCE,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)
        self._listener = listener

    def run(self) -> None:
        self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        self._server.should_exit = True


class Chores:
    """What the page does by itself: list jobs, queue decisions a crash left behind, keep unread images ready.

    Args:
        page: everything.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._stop = threading.Event()
        self._failed: set[str] = set()
        self._compared = False

    def run(self) -> None:
        """Run the watch loop until stopped."""
        while not self._stop.is_set():
            try:
                self._page.worklist.look(self._stop.is_set)
                self.queue_decisions()
                self.prepare_cines()
            except CvaiError as error:
                log.warning("page_chore_failed", code=error.code)
            except SQLAlchemyError as error:
                log.warning("page_chore_failed", code="database_unavailable", error=type(error).__name__)
            except (OSError, sqlite3.Error) as error:
                log.warning("page_chore_failed", code="disk_unavailable", error=type(error).__name__)
            self._stop.wait(CHORE_EVERY_S)

    def stop(self) -> None:
        """Stop after what is being done."""
        self._stop.set()

    def queue_decisions(self) -> None:
        """Queue what was signed and not queued yet; queueing one again changes nothing.

        Once, at the start, all that was queued is compared with the jobs: their database may have been
        restored to a time before it.
        """
        if not self._compared:
            self._find_lost_decisions()
            self._compared = True
        for decision in self._page.decisions.not_queued():
            self._page.ledger.queue_reading(decision.reading)
            self._page.decisions.mark_queued(decision)

    def _find_lost_decisions(self) -> None:
        queued = {decision.reading.reading_id: decision for decision in self._page.decisions.queued()}
        for reading_id in self._page.ledger.unknown_readings(queued):
            self._page.decisions.mark_queued(queued[reading_id], False)
            log.warning("decision_queued_again", reading=reading_id)

    def prepare_cines(self) -> None:
        """Fetch the images of the newest unread studies; one that fails is left to whoever opens it."""
        unread = self._page.worklist.page(Query("unread")).rows
        for row in unread[:PREPARED_AHEAD]:
            job_id = row.job_id
            if self._stop.is_set() or job_id in self._failed or self._page.cines.has(job_id):
                continue
            try:
                self._prepare(self._page.worklist.study(job_id))
            except CvaiError as error:
                self._failed.add(job_id)
                log.warning("cine_not_prepared", job=job_id, code=error.code)

    def _prepare(self, summary: Summary) -> None:
        if summary.has_stack:
            self._page.cines.open(summary.record)
        elif summary.has_loops:
            self._page.cines.open_loops(summary.record)


class _Runs(Protocol):
    def run(self) -> None: ...

    def stop(self) -> None: ...


@contextmanager
def _thread(name: str, runs: _Runs) -> Iterator[None]:
    thread = threading.Thread(target=runs.run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        runs.stop()
        thread.join(STOP_WITHIN_S)
