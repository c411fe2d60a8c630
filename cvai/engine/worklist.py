"""Workitems of a worklist become jobs, and their ends are told to the worklist."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import structlog
from pydicom.uid import generate_uid

from cvai.archive.content import names_a_study
from cvai.archive.cursor import CursorFile
from cvai.archive.port import Announcements
from cvai.archive.ups import Claim, Worklist
from cvai.engine.job import JobState, Outcome
from cvai.errors import ArchiveRejected

log = structlog.get_logger(__name__)

OutcomeOf = Callable[[str], Outcome | None]
"""Where the newest job of a study stands; None where there is none."""

GOES_ON = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.SUPERSEDED})
"""A superseded job is followed by another."""

NO_JOB = Outcome(JobState.REFUSED, "not_queued", "the study holds no images, or a rule leaves it alone.")


class WorklistFeed:
    """Claims workitems and announces their studies; a ``StudyFeed``.

    A claim is on disk before it is made, so that a crash leaves none that nobody works on: one that was not
    confirmed is asked about by telling progress under its transaction.

    Args:
        worklist: where workitems are.
        claims: what is claimed, by workitem.
    """

    def __init__(self, worklist: Worklist, claims: CursorFile) -> None:
        self._worklist = worklist
        self._file = claims
        stored = cast("Mapping[str, Mapping[str, Any]]", claims.load())
        # Announced once more: the jobs' database may have been restored to a time before the claim.
        self._claims = {uid: replace(Claim(**values), announced=False) for uid, values in stored.items()}
        self._unconfirmed = set(self._claims)
        self._begun: set[str] = set()

    def poll(self) -> Announcements:
        """Claim what waits, and announce studies whose job is not queued yet; see ``StudyFeed.poll``."""
        for uid in sorted(self._unconfirmed):
            self._confirmed(self._claims[uid], self._worklist.progress(self._claims[uid], 0, "queued"))
        for workitem_uid, study_uid in self._worklist.scheduled():
            self._claim(workitem_uid, study_uid)
        waiting = [claim for claim in self._claims.values() if not claim.announced]
        uids = dict.fromkeys(claim.study_uid for claim in waiting)
        return Announcements(tuple(uids), {"workitems": [claim.workitem_uid for claim in waiting]})

    def acknowledge(self, announcements: Announcements) -> None:
        """Remember whose jobs stand; see ``StudyFeed.acknowledge``."""
        announced = cast("list[str]", announcements.cursor["workitems"])
        if announced:
            told = {uid: replace(self._claims[uid], announced=True) for uid in announced}
            self._save({**self._claims, **told})

    def report(self, outcome_of: OutcomeOf, results_folder: Path) -> None:
        """Tell the worklist of every job that has ended.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``; what was not told is told next time.
        """
        for claim in [claim for claim in self._claims.values() if claim.announced]:
            outcome = outcome_of(claim.study_uid) or NO_JOB
            if outcome.state not in GOES_ON:
                told = self._told(claim, outcome, results_folder)
                log.info("workitem_closed", workitem=claim.workitem_uid, state=outcome.state, told=told)
                self._forget(claim)
            elif outcome.state is JobState.RUNNING and claim.workitem_uid not in self._begun:
                self._begun.add(claim.workitem_uid)
                self._confirmed(claim, self._worklist.progress(claim, 50, "being analysed"))

    def _told(self, claim: Claim, outcome: Outcome, results_folder: Path) -> bool:
        if outcome.state is JobState.ANALYSED:
            paths = (results_folder / item.path for item in outcome.objects)
            # Results of a study analysed long ago may have been removed here; it is done all the same.
            return self._worklist.complete(claim, [path for path in paths if path.exists()])
        return self._worklist.cancel(claim, f"{outcome.code}: {outcome.message} {outcome.hint}".strip())

    def _claim(self, workitem_uid: str, study_uid: str) -> None:
        if workitem_uid in self._claims:
            return  # claimed, and the worklist is a moment behind
        if not names_a_study(study_uid):
            log.warning("workitem_without_study", workitem=workitem_uid)
            return
        claim = Claim(workitem_uid, generate_uid(), study_uid, datetime.now().strftime("%Y%m%d%H%M%S"))
        self._save({**self._claims, workitem_uid: claim})
        self._unconfirmed.add(workitem_uid)
        try:
            self._confirmed(claim, self._worklist.claim(claim))
        except ArchiveRejected:
            self._confirmed(claim, False)
            raise

    def _confirmed(self, claim: Claim, ours: bool) -> None:
        self._unconfirmed.discard(claim.workitem_uid)
        if not ours:
            log.info("workitem_not_ours", workitem=claim.workitem_uid)
            self._forget(claim)

    def _forget(self, claim: Claim) -> None:
        self._begun.discard(claim.workitem_uid)
        self._save({uid: kept for uid, kept in self._claims.items() if uid != claim.workitem_uid})

    def _save(self, claims: dict[str, Claim]) -> None:
        self._file.save({uid: claim.to_json() for uid, claim in claims.items()})
        self._claims = claims
