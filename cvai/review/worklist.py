"""The worklist: every analysis of every study once, to choose the next one from."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from types import MappingProxyType

import structlog

from cvai.errors import RequestInvalid
from cvai.jobs.full_disk import is_full
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord, Ledger
from cvai.languages import msgid
from cvai.review.listing import Listed, Listing, Query, Row, known_as, speakers
from cvai.review.summary import StudyFolders, Summary, read_summary

log = structlog.get_logger(__name__)

KEPT_SUMMARIES = 200
"""Read once and kept in memory: a job that has ended does not change."""

JOB_ID = re.compile(r"[A-Za-z0-9._-]{1,160}")
"""Every ``StudyJob.job_id`` is of this form."""

LISTED_AT_ONCE = 200
"""Jobs listed in one transaction: others wait for it."""

OVERLAP = timedelta(seconds=60)
"""How long before the newest job a look for newer ones begins: clocks of several workers differ."""

NEXT_STEP: Mapping[str, str] = MappingProxyType(
    {"": msgid("being fetched"), "fetch": msgid("being analysed"), "analyse": msgid("being stored")}
)
"""What follows the last step of a job that has ended."""

WAIT_S = 1.0
"""For another request that looks for changes."""


class Worklist:
    """Jobs of the ledger as rows of a listing, which is kept in step with them.

    Args:
        ledger: of the service.
        folders: where results and studies lie.
        listing: of the page.
    """

    def __init__(self, ledger: Ledger, folders: StudyFolders, listing: Listing) -> None:
        self._ledger = ledger
        self._folders = folders
        self._listing = listing
        self._kept: OrderedDict[JobRecord, Summary] = OrderedDict()
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._complete = False

    @property
    def complete(self) -> bool:
        """Whether every job has been looked at since the start."""
        return self._complete

    def look(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """List what is new or has changed; the first time every job there is, newest first.

        Args:
            stopped: asked between some hundred jobs; True ends the look.
        """
        with self._looking:
            if not self._complete:
                self._look_at_all(stopped)
            else:
                self._look_at_changes()

    def page(self, query: Query) -> Listed:
        """A page of rows, as the jobs stand; as they were listed last where the disk is full."""
        if self._complete and self._looking.acquire(timeout=WAIT_S):
            try:
                self._look_at_changes()
            except sqlite3.Error as error:
                if not is_full(error):
                    raise
                log.warning("worklist_not_updated", code="disk_unavailable")
            finally:
                self._looking.release()
        listed = self._listing.page(query)
        return replace(listed, rows=tuple(map(self._with_step, listed.rows)))

    def step(self, job_id: str) -> str:
        """What is being done for a job that runs, in words."""
        done = self._ledger.steps_done(job_id)
        return NEXT_STEP.get(done[-1] if done else "", msgid("being handed on"))

    def _with_step(self, row: Row) -> Row:
        return replace(row, step=self.step(row.job_id)) if row.job_state is JobState.RUNNING else row

    def others(self, summary: Summary) -> list[Summary]:
        """The study's other analyses."""
        records = self._ledger.of_study(summary.record.job.study_uid)
        shown = speakers((record.job.kind, record.outcome.state) for record in records)
        others = (records[place] for place in shown if records[place].job.kind != summary.record.job.kind)
        return [self.summary(record) for record in others]

    def study(self, job_id: str) -> Summary:
        """The summary of one job.

        Raises:
            RequestInvalid: ``study_unknown``.
        """
        # PostgreSQL answers a text with NUL with an error of its own.
        record = self._ledger.find(job_id) if JOB_ID.fullmatch(job_id) else None
        if record is None:
            raise RequestInvalid(
                "study_unknown", "There is no such study here.", "The worklist shows those there are."
            )
        return self.summary(record)

    def priors(self, summary: Summary) -> tuple[Row, ...]:
        """Studies with the same main measurement that are surely of the same patient, oldest first.

        See ``Patient.is_surely``.
        """
        if summary.main is None:
            return ()
        return self._listing.of_patient(summary.identity.patient, summary.main.name)

    def summary(self, record: JobRecord) -> Summary:
        """The summary of a job, read from disk once it has ended."""
        with self._lock:
            if record in self._kept:
                self._kept.move_to_end(record)
                return self._kept[record]
        summary = read_summary(record, self._folders)
        if record.ended_at is not None:
            with self._lock:
                self._kept[record] = summary
                while len(self._kept) > KEPT_SUMMARIES:
                    self._kept.popitem(last=False)
        return summary

    def _look_at_all(self, stopped: Callable[[], bool]) -> None:
        """List every job that is not listed as it stands, and forget those that there are no more."""
        gone = self._listing.job_ids()
        for records in _in_parts(self._ledger.since(None)):
            if stopped():
                return
            self._put(records)
            gone -= {record.job.job_id for record in records}
        self._listing.remove(gone)
        self._complete = True

    def _look_at_changes(self) -> None:
        """List jobs that began, ended or came since; a job that is retried is one that has begun."""
        known, unended = self._listing.unended(), self._ledger.unended()
        changed = {
            job_id
            for job_id, state in unended.items()
            if job_id not in known or known[job_id].state is not state
        }
        changed |= known.keys() - unended.keys()
        found: set[str] = set()
        for records in _in_parts(self._ledger.by_id(sorted(changed))):
            self._put(records)
            found |= {record.job.job_id for record in records}
        self._listing.remove(changed - found)
        newest = self._listing.newest()
        for records in _in_parts(self._ledger.since(None if newest is None else newest - OVERLAP)):
            self._put(records)

    def _put(self, records: list[JobRecord]) -> None:
        known = self._listing.known([record.job.job_id for record in records])
        changed = [record for record in records if known.get(record.job.job_id) != known_as(record)]
        if changed:
            self._listing.put([read_summary(record, self._folders) for record in changed])


def _in_parts(records: Iterable[JobRecord]) -> Iterator[list[JobRecord]]:
    remaining = iter(records)
    while part := list(islice(remaining, LISTED_AT_ONCE)):
        yield part
