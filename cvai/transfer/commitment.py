"""Storage commitment (PS3.4 annex J): somebody else says that he keeps an instance, so that we need not."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pydicom import Dataset
from pydicom.uid import UID, generate_uid
from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.transfer.peer import Peer, associated

log = structlog.get_logger(__name__)

SUCCESS, PROCESSING_FAILURE, NO_SUCH_ARGUMENT = 0x0000, 0x0110, 0x0114
REQUEST_STORAGE_COMMITMENT = 1
"""Action Type ID (PS3.4 table J.3.2-1)."""

NEVER = frozenset({0x0119, 0x0122})
"""Failure reasons that asking again does not change: class and instance conflict, class not supported
(PS3.3 section C.14.1.1)."""

HANG_UP_AFTER_S = 5.0
"""Some peers report on the association they were asked on, others call back, and some of those only once the
first call has ended."""

REQUEST_CONTEXT = build_context(StorageCommitmentPushModel)
REPORT_CONTEXT = build_context(StorageCommitmentPushModel)
REPORT_CONTEXT.scu_role = REPORT_CONTEXT.scp_role = True
"""Who calls back to report does so in the role of the provider (PS3.7 section D.3.3.4)."""


@dataclass(frozen=True, slots=True)
class InstanceName:
    """What a commitment is asked for."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What was answered: SOP Instance UIDs that are kept, and why others are not."""

    kept: frozenset[str]
    failed: Mapping[str, int]


class CommitmentReports:
    """Reports as they come in, on whatever association, to whoever waits for them.

    Reports reach the process that asked: workers that ask need an AE title and a port of their own.
    """

    def __init__(self) -> None:
        self._reports: dict[str, CommitmentReport] = {}
        self._awaited: set[str] = set()
        self._news = threading.Condition()

    @property
    def handlers(self) -> list[EventHandlerType]:
        """What takes reports, for a node or for the association they were asked for on."""
        return [(evt.EVT_N_EVENT_REPORT, self.take)]

    def expect(self, transaction_uid: str) -> None:
        """Keep the report of this transaction when it comes."""
        with self._news:
            self._awaited.add(transaction_uid)

    def take(self, event: Event) -> tuple[int, None]:
        """Answer an N-EVENT-REPORT; returns its status."""
        try:
            information = event.event_information
            transaction_uid = str(information.TransactionUID)
            report = _report(information)
        except (AttributeError, ValueError, TypeError, KeyError, NotImplementedError):
            # What pydicom raises on a data set that is damaged or lacks what the standard asks for.
            log.warning("commitment_report_not_understood")
            return NO_SUCH_ARGUMENT, None
        with self._news:
            if transaction_uid in self._awaited:
                self._reports[transaction_uid] = report
                self._news.notify_all()
            else:
                log.warning("commitment_report_not_awaited", transaction=transaction_uid)
        return SUCCESS, None

    def wait(self, transaction_uid: str, timeout_s: float) -> CommitmentReport | None:
        """The report, None where none has come in this time."""
        with self._news:
            self._news.wait_for(lambda: transaction_uid in self._reports, timeout_s)
            return self._reports.get(transaction_uid)

    def forget(self, transaction_uid: str) -> None:
        """Nobody waits any longer."""
        with self._news:
            self._awaited.discard(transaction_uid)
            self._reports.pop(transaction_uid, None)


def _report(information: Dataset) -> CommitmentReport:
    kept = information.get("ReferencedSOPSequence") or ()
    failed = information.get("FailedSOPSequence") or ()
    return CommitmentReport(
        kept=frozenset(str(item.ReferencedSOPInstanceUID) for item in kept),
        failed={str(item.ReferencedSOPInstanceUID): int(item.FailureReason) for item in failed},
    )


def require_commitment(
    peer: Peer, instances: Sequence[InstanceName], reports: CommitmentReports, timeout_s: float
) -> None:
    """Return once the peer has said that it keeps every instance.

    Args:
        peer: who is asked.
        instances: what was stored there before.
        reports: where its answer will be.
        timeout_s: how long to wait for the answer.

    Raises:
        TemporarilyUnavailable: no answer, or some are not kept (yet): store them again and ask again.
        ArchiveRejected: the peer does no commitment, or will never keep one of them.
    """
    transaction_uid = generate_uid()
    reports.expect(transaction_uid)
    try:
        with associated(peer, [REQUEST_CONTEXT], reports.handlers) as association:
            _ask(association, peer, transaction_uid, instances)
            report = reports.wait(transaction_uid, min(HANG_UP_AFTER_S, timeout_s))
        report = report or reports.wait(transaction_uid, max(0.0, timeout_s - HANG_UP_AFTER_S))
    finally:
        reports.forget(transaction_uid)
    if report is None:
        raise TemporarilyUnavailable(
            "commitment_not_reported",
            f"{peer.words} did not report within {timeout_s:.0f} s whether it keeps the results.",
            "It has to know our AE title, address and port, and dicom.listen has to be on.",
        )
    _require_kept(report, instances, peer)


def _ask(
    association: Association, peer: Peer, transaction_uid: UID, instances: Sequence[InstanceName]
) -> None:
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = [_reference(instance) for instance in instances]
    answer, _ = association.send_n_action(
        request,
        REQUEST_STORAGE_COMMITMENT,
        StorageCommitmentPushModel,
        StorageCommitmentPushModelInstance,
    )
    status: Any = answer.get("Status")
    if status != SUCCESS:
        told = "nothing" if status is None else f"0x{status:04X}"
        raise TemporarilyUnavailable(
            "commitment_not_taken",
            f"{peer.words} answered {told} when asked to commit to {len(instances)} objects.",
            "It is asked again; its own log says more.",
        )


def _reference(instance: InstanceName) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = instance.sop_class_uid
    item.ReferencedSOPInstanceUID = instance.sop_instance_uid
    return item


def _require_kept(report: CommitmentReport, instances: Sequence[InstanceName], peer: Peer) -> None:
    missing = [i.sop_instance_uid for i in instances if i.sop_instance_uid not in report.kept]
    if not missing:
        return
    reasons = {uid: report.failed.get(uid) for uid in missing}
    told = ", ".join(f"{uid} ({'not named' if r is None else f'0x{r:04X}'})" for uid, r in reasons.items())
    message = f"{peer.words} does not commit to {len(missing)} of {len(instances)} objects: {told}."
    kind: type[CvaiError] = (
        ArchiveRejected if NEVER.intersection(r for r in reasons.values() if r) else TemporarilyUnavailable
    )
    raise kind(
        "commitment_failed", message, "In brackets is the FailureReason of PS3.3 C.14.1.1; its log says more."
    )
