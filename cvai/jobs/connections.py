"""Builds the DICOM node and the delivery destinations from settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom.events import EventHandlerType
from pynetdicom.presentation import PresentationContext
from sqlalchemy import Engine

from cvai.archive.odd import OddAnswers
from cvai.jobs.deliver import Deliveries
from cvai.jobs.messages import RunningJobs, StudyMessages
from cvai.jobs.outbox import Outbox
from cvai.settings import Settings
from cvai.transfer.commitment import REPORT_CONTEXT, CommitmentReports
from cvai.transfer.fhir import FhirServer
from cvai.transfer.guarded import CallLimits
from cvai.transfer.hl7 import Hl7Destination
from cvai.transfer.hl7_message import Addressing
from cvai.transfer.mllp import MllpReceiver
from cvai.transfer.node import Node, listening
from cvai.transfer.peer import Peer
from cvai.transfer.receiver import STORAGE_CONTEXTS, InboxReceiver
from cvai.transfer.send import DicomDestination
from cvai.transfer.tls import Certificate


class Connections:
    """The DICOM node and the delivery destinations of a service; nothing connects before ``opened``.

    Args:
        settings: of the service.
        receive: accept C-STORE, if the archive is the embedded one.
        odd: counts parts of answers that are skipped.
    """

    def __init__(self, settings: Settings, receive: bool, odd: OddAnswers) -> None:
        self._settings = settings
        self._odd = odd
        self._receive = receive and settings.archive == "folder"
        self._reports = CommitmentReports()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Listen within the block, if configured.

        Raises:
            ConfigurationInvalid: see ``listening``.
        """
        if not self._settings.dicom.listen:
            yield
            return
        contexts: list[PresentationContext] = [REPORT_CONTEXT]
        handlers: list[EventHandlerType] = self._reports.handlers
        if self._receive:
            contexts += STORAGE_CONTEXTS
            handlers += InboxReceiver(self._settings.inbox_folder).handlers
        with listening(self._node(), contexts, handlers):
            yield

    def deliveries(self, database: Engine, running: RunningJobs) -> Deliveries:
        """Destinations of results besides the archive.

        Args:
            database: where jobs are kept.
            running: which jobs are running.
        """
        folder, hl7 = self._settings.results_folder, hl7_destination(self._settings, self._odd)
        messages = None if hl7 is None else StudyMessages(hl7, Outbox(database), folder, running)
        return Deliveries(folder, self._destination(), self._health_record(), messages)

    def _node(self) -> Node:
        dicom, limits = self._settings.dicom, self._settings.limits
        return Node(
            dicom.ae_title,
            dicom.host,
            dicom.port,
            dicom.allowed_ae_titles,
            dicom.allowed_networks,
            None if dicom.tls_certificate is None else certificate_of(self._settings),
            CallLimits(
                dicom.associations,
                dicom.connections_per_address,
                round(limits.associate_kb * 1e3),
                round(limits.instance_mb * 1e6),
            ),
        )

    def _destination(self) -> DicomDestination | None:
        send = self._settings.send
        if send.host is None:
            return None
        peer = Peer(
            send.ae_title,
            send.host,
            send.port,
            self._settings.dicom.ae_title,
            send.timeout_s,
            certificate_of(self._settings) if send.tls else None,
        )
        reports = self._reports if send.commitment else None
        return DicomDestination(peer, reports, send.commitment_timeout_s)

    def _health_record(self) -> FhirServer | None:
        fhir = self._settings.fhir
        if fhir.url is None:
            return None
        token = None if fhir.token is None else fhir.token.get_secret_value()
        largest_bytes = round(self._settings.limits.json_mb * 1e6)
        return FhirServer(
            fhir.url,
            token,
            fhir.timeout_s,
            fhir.patient_system,
            largest_json_bytes=largest_bytes,
            odd=self._odd,
        )


def hl7_destination(settings: Settings, odd: OddAnswers) -> Hl7Destination | None:
    """The configured HL7 receiver; connects to nothing.

    Args:
        settings: of the service.
        odd: counts answers that are no acknowledgement.
    """
    hl7 = settings.hl7
    if hl7.host is None:
        return None
    certificate = certificate_of(settings) if hl7.tls else None
    receiver = MllpReceiver(hl7.host, hl7.port, hl7.timeout_s, certificate, odd)
    addressing = Addressing(
        hl7.sending_application,
        hl7.sending_facility,
        hl7.receiving_application,
        hl7.receiving_facility,
        hl7.processing_id,
        hl7.accession_is_filler,
    )
    return Hl7Destination(receiver, addressing, hl7.attach_pdf, hl7.link)


def certificate_of(settings: Settings) -> Certificate:
    """The files for TLS, which all connections but those of HTTP share."""
    dicom = settings.dicom
    return Certificate(dicom.tls_certificate, dicom.tls_key, dicom.tls_authorities)
