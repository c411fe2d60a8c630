"""The worklist: every analysis of every study once, newest first, to choose the next one from."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from cvai.errors import RequestInvalid
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord, Ledger, spoken_for
from cvai.review.decisions import Decision, Decisions, Drafts
from cvai.review.summary import Summary, read_summary

KEPT_SUMMARIES = 2000
"""Read once and kept in memory: a job that has ended does not change."""

JOB_ID = re.compile(r"[A-Za-z0-9._-]{1,160}")
"""Every ``StudyJob.job_id`` is of this form."""

LISTED_AT_MOST, LOOKED_AT = 300, 600
"""Rows, and jobs looked at to find them: an analysis of a study may have been done more than once."""


class RowState(StrEnum):
    """What is to be done about an analysis, as the worklist words it."""

    WAITING = "in progress"
    UNREVIEWED = "to read"
    DRAFT = "draft"
    ACCEPTED = "accepted"
    CHANGED = "changed"
    REJECTED = "rejected"
    REFUSED = "refused"
    NOTHING = "nothing to read"
    FAILED = "failed"


OF_JOB: Mapping[JobState, RowState] = {
    JobState.QUEUED: RowState.WAITING,
    JobState.RUNNING: RowState.WAITING,
    JobState.ANALYSED: RowState.UNREVIEWED,
    JobState.SUPERSEDED: RowState.UNREVIEWED,
    JobState.REFUSED: RowState.REFUSED,
    JobState.NOTHING_TO_DO: RowState.NOTHING,
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
        """The newest studies, a row for each analysis by its newest job; see ``shown_jobs``."""
        decided, drafted = self._decisions.latest(), self._drafts.job_ids()
        shown = shown_jobs(self._ledger.newest(LOOKED_AT))[:LISTED_AT_MOST]
        return [_row(self.summary(record), decided.get(record.job.job_id), drafted) for record in shown]

    def others(self, summary: Summary) -> list[Summary]:
        """The study's other analyses."""
        shown = shown_jobs(self._ledger.of_study(summary.record.job.study_uid))
        return [self.summary(record) for record in shown if record.job.kind != summary.record.job.kind]

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
        """Studies with the same main measurement that are surely of the same patient, oldest first.

        See ``Patient.is_surely``.
        """
        patient = summary.identity.patient
        same = [
            row
            for row in rows
            if summary.main is not None
            and row.summary.main is not None
            and row.summary.main.name == summary.main.name
            and row.summary.identity.patient.is_surely(patient)
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


def shown_jobs(newest_first: Iterable[JobRecord]) -> list[JobRecord]:
    """The newest job of each analysis of each study.

    What has been superseded is left out, and so is an analysis that found nothing to do in a study in which
    another did, or does, or has been refused.
    """
    shown: dict[str, dict[str, JobRecord]] = {}
    for record in newest_first:
        job = record.job
        of_study = shown.setdefault(job.study_uid, {})
        if record.outcome.state is JobState.SUPERSEDED or spoken_for(job.kind, of_study):
            continue
        of_study[job.kind] = record
    kept = (record for of_study in shown.values() for record in _with_something_to_do(of_study))
    return sorted(kept, key=lambda record: record.queued_at, reverse=True)


def _with_something_to_do(of_study: Mapping[str, JobRecord]) -> list[JobRecord]:
    """A study in which nothing is to be done at all has one row that says so."""
    records = list(of_study.values())
    return [r for r in records if r.outcome.state is not JobState.NOTHING_TO_DO] or records[:1]


def _row(summary: Summary, decision: Decision | None, drafted: frozenset[str]) -> Row:
    if decision is not None:
        return Row(summary, RowState(decision.reading.verdict), decision)
    if summary.job_id in drafted:
        return Row(summary, RowState.DRAFT, None)
    return Row(summary, OF_JOB[summary.state], None)
