"""Storage commitment (PS3.4 annex J): a peer confirms that it keeps instances."""

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
"""Failure reasons that a repeated request does not change: class and instance conflict, class not supported
(PS3.3 section C.14.1.1)."""

HANG_UP_AFTER_S = 5.0
"""Peers report on the same association or open another one, some only once the first has ended."""

REQUEST_CONTEXT = build_context(StorageCommitmentPushModel)
REPORT_CONTEXT = build_context(StorageCommitmentPushModel)
REPORT_CONTEXT.scu_role = REPORT_CONTEXT.scp_role = True
"""A peer that opens an association to report is the SCP (PS3.7 section D.3.3.4)."""


@dataclass(frozen=True, slots=True)
class InstanceName:
    """An instance to be committed."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """SOP Instance UIDs that the peer keeps, and FailureReason for the others."""

    kept: frozenset[str]
    failed: Mapping[str, int]


class CommitmentReports:
    """Hands commitment reports from any association to the thread that waits for them.

    A report goes to the AE title that requested it, so workers need AE titles and ports of their own.
    """

    def __init__(self) -> None:
        self._reports: dict[str, CommitmentReport] = {}
        self._awaited: set[str] = set()
        self._news = threading.Condition()

    @property
    def handlers(self) -> list[EventHandlerType]:
        """Event handlers for a node or for the requesting association."""
        return [(evt.EVT_N_EVENT_REPORT, self.take)]

    def expect(self, transaction_uid: str) -> None:
        """Announce that the report of this transaction will be awaited."""
        with self._news:
            self._awaited.add(transaction_uid)

    def take(self, event: Event) -> tuple[int, None]:
        """Handle an N-EVENT-REPORT; returns its status."""
        try:
            information = event.event_information
            transaction_uid = str(information.TransactionUID)
            report = _report(information)
        except (AttributeError, ValueError, TypeError, KeyError, NotImplementedError):
            # Raised by pydicom for a damaged or incomplete data set.
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
        """Stop awaiting the report."""
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
    """Request commitment and wait until the peer has confirmed every instance.

    Args:
        peer: to request from.
        instances: stored there before.
        reports: receives its report.
        timeout_s: for the report.

    Raises:
        TemporarilyUnavailable: no report, or some are not kept (yet): store and request again.
        ArchiveRejected: the peer does not support commitment, or will never keep one of them.
    """
    transaction_uid = generate_uid()
    reports.expect(transaction_uid)
    try:
        with associated(peer, [REQUEST_CONTEXT], reports.handlers) as association:
            _request(association, peer, transaction_uid, instances)
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


def _request(
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
        answered = "nothing" if status is None else f"0x{status:04X}"
        raise TemporarilyUnavailable(
            "commitment_not_taken",
            f"{peer.words} answered {answered} when asked to commit to {len(instances)} objects.",
            "The request is repeated; the peer's log says more.",
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
    named = ", ".join(f"{uid} ({'not named' if r is None else f'0x{r:04X}'})" for uid, r in reasons.items())
    message = f"{peer.words} does not commit to {len(missing)} of {len(instances)} objects: {named}."
    kind: type[CvaiError] = (
        ArchiveRejected if NEVER.intersection(r for r in reasons.values() if r) else TemporarilyUnavailable
    )
    raise kind(
        "commitment_failed", message, "In brackets is the FailureReason of PS3.3 C.14.1.1; its log says more."
    )
