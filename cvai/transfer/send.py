"""Sends results to a peer by C-STORE, with storage commitment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from cvai.errors import ArchiveRejected, TemporarilyUnavailable
from cvai.transfer.commitment import CommitmentReports, InstanceName, require_commitment
from cvai.transfer.peer import Peer, associated

STORED = frozenset({0x0000, 0xB000, 0xB006, 0xB007, 0x0111})
"""Stored, stored with a warning (PS3.4 table B.2-1), or existing already (0x0111, duplicate SOP instance)."""

RETRYABLE = frozenset({0x0110, *range(0xA700, 0xA800)})
"""Processing failure, and the range for out of resources."""


@dataclass(frozen=True, slots=True)
class DicomDestination:
    """A peer that receives results.

    Args:
        peer: to send to.
        reports: receives storage commitment reports; None without commitment.
        commitment_timeout_s: for a report.
    """

    peer: Peer
    reports: CommitmentReports | None
    commitment_timeout_s: float

    def deliver(self, paths: Sequence[Path]) -> None:
        """Send every object and request commitment if configured; see ``Destination``."""
        objects = [dcmread(path) for path in paths]
        with associated(self.peer, _contexts(objects)) as association:
            for sent in objects:
                self._send(association, sent)
        if self.reports is not None:
            names = [InstanceName(str(o.SOPClassUID), str(o.SOPInstanceUID)) for o in objects]
            require_commitment(self.peer, names, self.reports, self.commitment_timeout_s)

    def _send(self, association: Association, sent: Dataset) -> None:
        answer = association.send_c_store(sent) if association.is_established else Dataset()
        status = answer.get("Status")
        if status in STORED:
            return
        if status is None or status in RETRYABLE:
            raise TemporarilyUnavailable(
                "peer_busy",
                f"{self.peer.words} did not take {sent.SOPInstanceUID} ({_described(status)}).",
                "It is sent again.",
            )
        raise ArchiveRejected(
            "object_rejected",
            f"{self.peer.words} rejects {sent.SOPInstanceUID} ({_described(status)}).",
            "In brackets is the status of PS3.4 table B.2-1; the peer's own log says more.",
        )


def _described(status: int | None) -> str:
    return "connection lost" if status is None else f"0x{status:04X}"


def _contexts(objects: Sequence[Dataset]) -> list[PresentationContext]:
    """A context for each SOP class and transfer syntax of the objects."""
    syntaxes = {(str(o.SOPClassUID), str(o.file_meta.TransferSyntaxUID)) for o in objects}
    return [build_context(sop_class, syntax) for sop_class, syntax in sorted(syntaxes)]
