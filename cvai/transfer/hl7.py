"""Sends results to an HL7 v2 receiver, with the report as the site wants it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cvai.dicom.write.hl7 import ResultStatus
from cvai.errors import ArchiveRejected
from cvai.transfer.hl7_message import Addressing, OruMessage
from cvai.transfer.mllp import MllpReceiver

WITHOUT_REPORT = frozenset({ResultStatus.NOT_OBTAINED, ResultStatus.WRONG})


@dataclass(frozen=True, slots=True)
class Hl7Destination:
    """A receiver, and what it is sent.

    Args:
        receiver: to send to.
        addressing: conventions of the site.
        attach_pdf: send the report as a PDF file within the message.
        link: address that is sent with a report, ``{study_uid}`` in it stands for the study; None without.
    """

    receiver: MllpReceiver
    addressing: Addressing
    attach_pdf: bool
    link: str | None

    def send(self, message: OruMessage, report: Path) -> None:
        """Check a message against the definition of its segments, send it, and wait for its acknowledgement.

        Args:
            message: as it was written.
            report: the PDF file that goes with it; results that a reader has rejected have none.

        Raises:
            ArchiveRejected: ``hl7_without_patient``, ``hl7_invalid``; or see ``MllpReceiver.send``.
            TemporarilyUnavailable, ConfigurationInvalid: see ``MllpReceiver.send``.
        """
        if not message.patient:
            raise ArchiveRejected(
                "hl7_without_patient",
                "the images state no PatientID, and an HL7 message has to (PID-3).",
                "Correct the study in the archive; it is then analysed anew.",
            )
        addressed = message.addressed(self.addressing)
        _require_valid(addressed)
        if message.status not in WITHOUT_REPORT:
            addressed = self._with_report(addressed, report)
        self.receiver.send(addressed.text, addressed.control_id)

    def _with_report(self, message: OruMessage, report: Path) -> OruMessage:
        if self.link is not None:
            message = message.with_link(self.link.replace("{study_uid}", message.study_uid))
        return message.with_pdf(report.read_bytes()) if self.attach_pdf else message


def _require_valid(message: OruMessage) -> None:
    # Of their tables only those who send wait.
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message

    try:
        parse_message(message.text).validate()
    except HL7apyException as error:
        # Its own text may quote the patient.
        raise ArchiveRejected(
            "hl7_invalid",
            f"the message breaks HL7's definition of its segments ({type(error).__name__}) and is not sent.",
            "This is a defect of cvai, or of the site's [hl7] settings; the results are in the archive.",
        ) from None
