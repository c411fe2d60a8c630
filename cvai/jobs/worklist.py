"""Turns UPS workitems into jobs, and reports the outcome to the worklist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast

import structlog
from pydicom.uid import generate_uid

from cvai.archive.content import is_valid_study_uid
from cvai.archive.cursor import CursorFile
from cvai.archive.port import Announcements
from cvai.domain.message import say
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.jobs.job import JobState, Outcome
from cvai.transfer.ups import Claim, Worklist
from cvai.transfer.ups_events import WorkitemEvents

log = structlog.get_logger(__name__)

OutcomeOf = Callable[[str], Outcome | None]
"""The outcome of a study over all its analyses; None where it has no job."""

UNENDED = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.SUPERSEDED})
"""A superseded job is followed by another."""

CLAIMS_PER_POLL = 20
"""Few, since a claimed workitem is performed by no other worker."""

NO_JOB = Outcome(
    JobState.REFUSED,
    "not_queued",
    say("the study holds nothing to be measured, or a rule leaves it alone."),
)


CANCELED_ON_REQUEST = "canceled on request"


class CanceledStudies(Protocol):
    """Whose jobs end before anything is stored, see ``Cancellations``."""

    def request(self, study_uid: str) -> None:
        """Cancel the study's unfinished jobs."""
        ...

    def forget(self, study_uid: str) -> None:
        """Let the study be analysed."""
        ...


class WorklistFeed:
    """Claims workitems and announces their studies; a ``StudyFeed``.

    A claim is written to disk before it is made, so that a crash leaves no claimed workitem unattended. An
    unconfirmed claim is verified by reporting progress under its transaction UID.

    Args:
        worklist: the UPS server.
        claims: file of the claims by workitem.
        events: tells of requests to cancel claimed workitems, None without.
        canceled: the studies of canceled workitems, None without events.
    """

    def __init__(
        self,
        worklist: Worklist,
        claims: CursorFile,
        events: WorkitemEvents | None = None,
        canceled: CanceledStudies | None = None,
    ) -> None:
        self._worklist = worklist
        self._file = claims
        self._events = events
        self._canceled = canceled
        stored = cast("Mapping[str, Mapping[str, Any]]", claims.load())
        # Announced again: the jobs' database may have been restored to a time before the claim.
        self._claims = {uid: replace(Claim(**values), announced=False) for uid, values in stored.items()}
        self._unconfirmed = set(self._claims)
        self._reported_running: set[str] = set()
        self._unusable: set[str] = set()

    def poll(self) -> Announcements:
        """Claim scheduled workitems and announce studies without a queued job; see ``StudyFeed.poll``."""
        self._for_each([self._claims[uid] for uid in sorted(self._unconfirmed)], self._confirm)
        usable = (new_claim(*item) for item in self._worklist.scheduled() if self._is_usable(*item))
        self._for_each(list(islice(usable, CLAIMS_PER_POLL)), self._claim)
        self._take_cancel_requests()
        waiting = [claim for claim in self._claims.values() if not claim.announced]
        uids = dict.fromkeys(claim.study_uid for claim in waiting)
        return Announcements(tuple(uids), {"workitems": [claim.workitem_uid for claim in waiting]})

    def acknowledge(self, announcements: Announcements) -> None:
        """Record whose jobs are queued; see ``StudyFeed.acknowledge``."""
        announced = cast("list[str]", announcements.cursor["workitems"])
        if announced:
            reported = {uid: replace(self._claims[uid], announced=True) for uid in announced}
            self._save({**self._claims, **reported})

    def report(self, outcome_of: OutcomeOf, results_folder: Path) -> None:
        """Report every ended job to the worklist.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``; failed reports are repeated next time.
        """

        def report_one(claim: Claim) -> None:
            outcome = outcome_of(claim.study_uid) or NO_JOB
            if outcome.state is JobState.CANCELED and claim.cancel_reason is None:
                self._announce_again(claim)
            elif outcome.state not in UNENDED:
                self._close(claim, outcome, results_folder)
            elif outcome.state is JobState.RUNNING and claim.workitem_uid not in self._reported_running:
                self._reported_running.add(claim.workitem_uid)
                self._confirmed(claim, self._worklist.progress(claim, 50, "being analysed"))

        failure = self._for_each([claim for claim in self._claims.values() if claim.announced], report_one)
        if failure is not None:
            raise failure

    def _take_cancel_requests(self) -> None:
        """Cancel the jobs of claimed workitems that are requested to be canceled."""
        if self._events is None:
            return
        for workitem_uid, reason in self._events.cancel_requests(self._claims.keys()):
            claim = self._claims.get(workitem_uid)
            if claim is not None and claim.cancel_reason is None:
                log.info("workitem_cancel_requested", workitem=workitem_uid)
                self._save({**self._claims, workitem_uid: replace(claim, cancel_reason=reason)})
        requested = [claim for claim in self._claims.values() if claim.cancel_reason is not None]
        self._for_each(requested, self._cancel)

    def _cancel(self, claim: Claim) -> None:
        """Cancel the jobs of a workitem, which ends with them; at once where another one wants the study."""
        if self._is_wanted(claim.study_uid):
            self._close(claim, Outcome(JobState.CANCELED), Path())
        elif self._canceled is not None:
            self._canceled.request(claim.study_uid)

    def _is_wanted(self, study_uid: str) -> bool:
        """Whether a workitem that is not canceled asks for the study."""
        return any(c.study_uid == study_uid and c.cancel_reason is None for c in self._claims.values())

    def _announce_again(self, claim: Claim) -> None:
        """The study was canceled by another workitem before this one asked for it."""
        self._allow(claim.study_uid)
        self._save({**self._claims, claim.workitem_uid: replace(claim, announced=False)})

    def _allow(self, study_uid: str) -> None:
        if self._canceled is not None:
            self._canceled.forget(study_uid)

    def _for_each(self, claims: Iterable[Claim], do: Callable[[Claim], None]) -> CvaiError | None:
        """Apply ``do`` to each claim despite failures; returns the last failure.

        Raises:
            TemporarilyUnavailable: ``archive_unreachable``.
        """
        failure: CvaiError | None = None
        for claim in claims:
            try:
                do(claim)
            except (TemporarilyUnavailable, ArchiveRejected) as error:
                log.warning("workitem_failed", workitem=claim.workitem_uid, code=error.code)
                failure = error
                if error.code == "archive_unreachable":
                    raise
        return failure

    def _close(self, claim: Claim, outcome: Outcome, results_folder: Path) -> None:
        """Report the end; a workitem that the worklist refuses to close is dropped."""
        try:
            reported = self._report_end(claim, outcome, results_folder)
        except ArchiveRejected as error:
            if error.code == "archive_denied":
                raise
            log.error("workitem_not_closed", workitem=claim.workitem_uid, code=error.code)
            reported = False
        log.info("workitem_closed", workitem=claim.workitem_uid, state=outcome.state, reported=reported)
        self._forget(claim)

    def _report_end(self, claim: Claim, outcome: Outcome, results_folder: Path) -> bool:
        if outcome.state is JobState.ANALYSED:
            paths = (results_folder / item.path for item in outcome.objects)
            # Old results may have been removed by retention; the workitem is complete all the same.
            return self._worklist.complete(claim, [path for path in paths if path.exists()])
        reason = f"{outcome.code}: {outcome.message} {outcome.hint}".strip()
        if outcome.state is JobState.CANCELED:
            reason = claim.cancel_reason or CANCELED_ON_REQUEST
        return self._worklist.cancel(claim, reason)

    def _is_usable(self, workitem_uid: str, study_uid: str) -> bool:
        """Whether it names a study and is not claimed yet: the worklist's answer may lag behind."""
        if is_valid_study_uid(study_uid):
            return workitem_uid not in self._claims
        if workitem_uid not in self._unusable:
            self._unusable.add(workitem_uid)
            log.warning("workitem_without_study", workitem=workitem_uid)
        return False

    def _claim(self, claim: Claim) -> None:
        self._allow(claim.study_uid)
        self._save({**self._claims, claim.workitem_uid: claim})
        self._unconfirmed.add(claim.workitem_uid)
        try:
            self._confirmed(claim, self._worklist.claim(claim))
        except ArchiveRejected:
            self._confirmed(claim, False)
            raise

    def _confirm(self, claim: Claim) -> None:
        """Find out whether a claim whose response was lost has succeeded."""
        self._confirmed(claim, self._worklist.progress(claim, 0, "queued"))

    def _confirmed(self, claim: Claim, ours: bool) -> None:
        self._unconfirmed.discard(claim.workitem_uid)
        if not ours:
            log.info("workitem_not_ours", workitem=claim.workitem_uid)
            self._forget(claim)

    def _forget(self, claim: Claim) -> None:
        self._reported_running.discard(claim.workitem_uid)
        self._save({uid: kept for uid, kept in self._claims.items() if uid != claim.workitem_uid})
        if all(kept.study_uid != claim.study_uid for kept in self._claims.values()):
            self._allow(claim.study_uid)

    def _save(self, claims: dict[str, Claim]) -> None:
        self._file.save({uid: claim.to_json() for uid, claim in claims.items()})
        self._claims = claims


def new_claim(workitem_uid: str, study_uid: str) -> Claim:
    """A claim to a workitem under a new transaction UID."""
    return Claim(workitem_uid, generate_uid(), study_uid, datetime.now().strftime("%Y%m%d%H%M%S"))
