"""Sends each study's HL7 messages in order, and none that a newer one has made untrue.

A message gets its place in the order when its job is ready to send it. It waits for earlier messages of the
study that are being sent, not for those whose job has ended or waits in the queue: such a job finds out, once
it runs, that its message is outdated.

========================  ==============================================================================
message                   not sent where the receiver has acknowledged, of the same analysis
========================  ==============================================================================
preliminary               a newer message, or the signed results of a reader
signed, rejected          a newer decision of a reader, or a newer message about another patient
========================  ==============================================================================

Signed results after signed results are corrections. Where the last message named another patient, it is
withdrawn first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from pydicom import dcmread

from cvai.dicom.read.patient import patient_of
from cvai.dicom.write.hl7 import ResultStatus, patient_identifier
from cvai.dicom.write.standing.withdrawal import WITHDRAWAL_KIND
from cvai.dicom.write.write import HL7_NAME, REPORT_NAME
from cvai.errors import TemporarilyUnavailable
from cvai.jobs.job import Outcome, StudyJob
from cvai.jobs.outbox import Entry, MessageState, Outbox, last_acknowledged
from cvai.transfer.hl7 import Hl7Destination
from cvai.transfer.hl7_message import OruMessage

log = structlog.get_logger(__name__)

SIGNED = frozenset({ResultStatus.FINAL, ResultStatus.CORRECTED})
DECIDED = SIGNED | {ResultStatus.NOT_OBTAINED}
"""What a reader has decided."""

STANDING = SIGNED | {ResultStatus.PRELIMINARY}
"""Results that a receiver still shows."""

RunningJobs = Callable[[Sequence[str]], frozenset[str]]
"""Those of the jobs that a worker has taken."""


@dataclass(frozen=True, slots=True)
class StudyMessages:
    """Sends messages of studies.

    Args:
        destination: receives them.
        outbox: of all workers.
        results_folder: base of the paths in an outcome.
        running: which jobs are running.
        sent: called with a study's UID when a message of it has been acknowledged.
    """

    destination: Hl7Destination
    outbox: Outbox
    results_folder: Path
    running: RunningJobs
    sent: Callable[[str], None] = lambda _: None

    def deliver(self, job: StudyJob, folder: Path) -> None:
        """Send the message in a folder of results, unless it is outdated.

        Args:
            job: of the study, also where ``folder`` belongs to a reading of it.
            folder: ``<job or reading>/<study>`` in the results folder.

        Raises:
            TemporarilyUnavailable: ``hl7_waits`` for an earlier message; or see ``Hl7Destination.send``.
            ArchiveRejected: see ``Hl7Destination.send``.
        """
        message = OruMessage.read(folder / HL7_NAME)
        patient = _digest(job.study_uid, message.patient)
        entry = self.outbox.entered(
            message.control_id,
            study_uid=job.study_uid,
            kind=job.kind,
            job_id=folder.parent.name,
            patient=patient,
            status=message.status,
        )
        if entry.state is not MessageState.WAITING:
            return
        entries = self.outbox.of_study(job.study_uid)
        self._await_earlier(entry, entries)
        if _is_outdated(entry, entries):
            self._leave_out(entry)
            return
        last = self._withdrawn_of_others(last_acknowledged(entries, job.kind), patient)
        if message.status is ResultStatus.PRELIMINARY and last is not None and last.status in SIGNED:
            self._leave_out(entry)
            return
        if message.status is ResultStatus.FINAL and last is not None and last.status in SIGNED:
            message = message.with_status(ResultStatus.CORRECTED)
        self._send(message, folder)
        self.outbox.close(entry, MessageState.ACKNOWLEDGED, message.status)

    def withdraw(self, job: StudyJob, stored: Outcome) -> None:
        """Withdraw messages that name another patient than the images, where a note says that some do.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Hl7Destination.send``.
        """
        (note,) = (self.results_folder / o.path for o in stored.objects if o.kind == WITHDRAWAL_KIND)
        patient = patient_of(dcmread(note, stop_before_pixels=True))
        now = _digest(job.study_uid, patient_identifier(patient))
        entries = self.outbox.of_study(job.study_uid)
        for kind in {entry.kind for entry in entries}:
            self._withdrawn_of_others(last_acknowledged(entries, kind), now)

    def _await_earlier(self, entry: Entry, entries: Iterable[Entry]) -> None:
        earlier = [e.job_id for e in entries if e.ticket < entry.ticket and e.state is MessageState.WAITING]
        if self.running([job_id for job_id in earlier if job_id != entry.job_id]):
            raise TemporarilyUnavailable(
                "hl7_waits",
                "an earlier message of the study has not been acknowledged.",
                "Messages of a study are sent in order; this one follows by itself.",
            )

    def _withdrawn_of_others(self, last: Entry | None, patient: str) -> Entry | None:
        """``last`` where it is of this patient; otherwise it is withdrawn, and counts no more."""
        if last is None or last.patient == patient:
            return last
        if last.status in STANDING:
            self._withdraw(last)
        return None

    def _withdraw(self, last: Entry) -> None:
        folder = self.results_folder / last.job_id / last.study_uid
        if not (folder / HL7_NAME).exists():
            log.error("hl7_not_withdrawn", study=last.study_uid, control_id=last.control_id)
            return
        message = OruMessage.read(folder / HL7_NAME).with_status(ResultStatus.WRONG)
        self._send(message, folder)
        self.outbox.close(last, MessageState.ACKNOWLEDGED, message.status)

    def _leave_out(self, entry: Entry) -> None:
        log.info("hl7_left_out", study=entry.study_uid, control_id=entry.control_id)
        self.outbox.close(entry, MessageState.LEFT_OUT, entry.status)

    def _send(self, message: OruMessage, folder: Path) -> None:
        self.destination.send(message, folder / REPORT_NAME)
        log.info("hl7_acknowledged", control_id=message.control_id, status=str(message.status))
        self.sent(folder.name)

    def recorded(self, sent: Callable[[str], None]) -> StudyMessages:
        """The same with a record of every message."""
        return replace(self, sent=sent)


def _is_outdated(entry: Entry, entries: Iterable[Entry]) -> bool:
    """Whether a newer message of the same analysis has been acknowledged that this one would undo."""
    newer = [
        e
        for e in entries
        if e.kind == entry.kind and e.ticket > entry.ticket and e.state is MessageState.ACKNOWLEDGED
    ]
    if entry.status is ResultStatus.PRELIMINARY:
        return bool(newer)
    return any(e.patient != entry.patient or e.status in DECIDED for e in newer)


def _digest(study_uid: str, identifier: str) -> str:
    """Tells patients of a study apart without naming them."""
    return hashlib.sha256(f"{study_uid}\0{identifier}".encode()).hexdigest()[:16]
