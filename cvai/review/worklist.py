"""The worklist: every study once, newest first, with what a reader needs to choose the next one."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from cvai.engine.job import JobState
from cvai.engine.ledger import JobRecord, Ledger
from cvai.errors import RequestInvalid
from cvai.review.decisions import Decision, Decisions, Drafts
from cvai.review.summary import Summary, read_summary

KEPT_SUMMARIES = 2000
"""Read once and kept in memory: a job that has ended does not change."""

JOB_ID = re.compile(r"[A-Za-z0-9.-]{1,128}")
"""Every ``StudyJob.job_id`` is of this form."""

LISTED_AT_MOST, LOOKED_AT = 300, 600
"""Studies, and jobs looked at to find them: a study may have been analysed more than once."""


class RowState(StrEnum):
    """What is to be done about a study, as the worklist words it."""

    WAITING = "in progress"
    UNREVIEWED = "to read"
    DRAFT = "draft"
    ACCEPTED = "accepted"
    CHANGED = "changed"
    REJECTED = "rejected"
    REFUSED = "refused"
    FAILED = "failed"


OF_JOB: Mapping[JobState, RowState] = {
    JobState.QUEUED: RowState.WAITING,
    JobState.RUNNING: RowState.WAITING,
    JobState.ANALYSED: RowState.UNREVIEWED,
    JobState.SUPERSEDED: RowState.UNREVIEWED,
    JobState.REFUSED: RowState.REFUSED,
    JobState.FAILED: RowState.FAILED,
    JobState.DEAD_LETTER: RowState.FAILED,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the worklist."""

    summary: Summary
    state: RowState
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Filter:
    """What a reader wants to see; an empty field leaves everything in.

    Args:
        show: ``unread``, ``flagged``, ``refused``, ``signed`` or ``all``.
        model: name and version.
        view: what was measured, such as ``sax_cine``.
        since: earliest day of arrival.
    """

    show: str = "all"
    model: str = ""
    view: str = ""
    since: date | None = None

    def takes(self, row: Row) -> bool:
        """Whether the row is wanted."""
        summary = row.summary
        return (
            _shown(self.show, row)
            and self.model in ("", summary.model)
            and self.view in ("", summary.view)
            and (self.since is None or summary.record.queued_at.date() >= self.since)
        )


def _shown(show: str, row: Row) -> bool:
    match show:
        case "unread":
            return row.state in (RowState.UNREVIEWED, RowState.DRAFT)
        case "flagged":
            return bool(row.summary.warnings)
        case "refused":
            return row.state in (RowState.REFUSED, RowState.FAILED)
        case "signed":
            return row.decision is not None
        case _:
            return True


class Worklist:
    """Jobs of the ledger as rows.

    Args:
        ledger: of the service.
        results_folder: where the jobs left their results.
        decisions: what was signed.
        drafts: what is being worked on.
    """

    def __init__(self, ledger: Ledger, results_folder: Path, decisions: Decisions, drafts: Drafts) -> None:
        self._ledger = ledger
        self._results_folder = results_folder
        self._decisions = decisions
        self._drafts = drafts
        self._kept: OrderedDict[JobRecord, Summary] = OrderedDict()
        self._lock = threading.Lock()

    def rows(self) -> list[Row]:
        """The newest studies, each by its newest job; what has been superseded is left out."""
        decided, drafted, seen = self._decisions.latest(), self._drafts.job_ids(), set[str]()
        rows = []
        for record in self._ledger.newest(LOOKED_AT):
            study_uid = record.job.study_uid
            if study_uid in seen or record.outcome.state is JobState.SUPERSEDED:
                continue
            seen.add(study_uid)
            rows.append(_row(self.summary(record), decided.get(record.job.job_id), drafted))
            if len(rows) == LISTED_AT_MOST:
                break
        return rows

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

    def priors(self, summary: Summary, rows: Iterable[Row]) -> list[Row]:
        """Measured studies that are surely of the same patient, oldest first; see ``Patient.is_surely``."""
        patient = summary.identity.patient
        same = [
            row
            for row in rows
            if row.summary.ef is not None and row.summary.identity.patient.is_surely(patient)
        ]
        return sorted(same, key=lambda row: row.summary.identity.study_date)

    def summary(self, record: JobRecord) -> Summary:
        """The summary of a job, read from disk once it has ended."""
        with self._lock:
            if record in self._kept:
                self._kept.move_to_end(record)
                return self._kept[record]
        summary = read_summary(record, self._results_folder)
        if record.ended_at is not None:
            with self._lock:
                self._kept[record] = summary
                while len(self._kept) > KEPT_SUMMARIES:
                    self._kept.popitem(last=False)
        return summary


def _row(summary: Summary, decision: Decision | None, drafted: frozenset[str]) -> Row:
    if decision is not None:
        return Row(summary, RowState(decision.reading.verdict), decision)
    if summary.job_id in drafted:
        return Row(summary, RowState.DRAFT, None)
    return Row(summary, OF_JOB[summary.state], None)
