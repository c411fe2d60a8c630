"""Writes DICOM audit messages (PS3.15 A.5) about access, changes, signatures and exports, one per line.

Messages contain UIDs of studies and objects but no patient identifier, which A.5.3 also asks for: an audit
repository can resolve it by the study. ParticipantObjectDataLifeCycle (A.5.1.2.3) states what happened to the
study. A list of studies is a Query (A.5.3.10) that names the returned studies.
"""

from __future__ import annotations

import base64
import errno
import os
import pwd
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol
from xml.etree import ElementTree as ET

import structlog

from cvai.audit.reserve import Reserve
from cvai.errors import TemporarilyUnavailable
from cvai.files import private_file, private_folder
from cvai.settings import Settings

log = structlog.get_logger(__name__)

APPLICATION_SERVER = "4"  # AuditSourceTypeCode, A.5.1.2.1
SYSTEM_OBJECT, REPORT, QUERY = "2", "3", "24"  # ParticipantObjectTypeCode and -Role, A.5.1.2.2
MACHINE_NAME, IP_ADDRESS = "1", "2"  # NetworkAccessPointTypeCode


class Code(NamedTuple):
    """A coded value: CodedValueType of A.5.1."""

    value: str
    meaning: str
    scheme: str = "DCM"


STUDY_INSTANCE_UID = Code("110180", "Study Instance UID")
SEARCH_CRITERIA = Code("10", "Search Criteria", "RFC-3881")
_APPLICATION_ACTIVITY = Code("110100", "Application Activity")
_INSTANCES_ACCESSED = Code("110103", "DICOM Instances Accessed")
_INSTANCES_TRANSFERRED = Code("110104", "DICOM Instances Transferred")
_EXPORT = Code("110106", "Export")
_QUERY = Code("110112", "Query")
_IMPORT = Code("110107", "Import")
_SECURITY_ALERT = Code("110113", "Security Alert")
_USER_AUTHENTICATION = Code("110114", "User Authentication")


class _Meaning(NamedTuple):
    """Codes of an act in A.5.3."""

    event: Code
    action: str
    type: Code | None = None
    life_cycle: str = ""


class Act(Enum):
    """An audited act."""

    SEEN = _Meaning(_INSTANCES_ACCESSED, "R", life_cycle="6")
    LISTED = _Meaning(_QUERY, "E")
    """Saw values of several studies at once."""
    CHANGED = _Meaning(_INSTANCES_ACCESSED, "U", life_cycle="3")
    SIGNED = _Meaning(_INSTANCES_ACCESSED, "U", life_cycle="4")
    EXPORTED = _Meaning(_EXPORT, "R", life_cycle="10")
    BACKED_UP = _Meaning(_EXPORT, "R", Code("BACKUP", "Backup of all studies", "99CVAI"))
    RESTORED = _Meaning(_IMPORT, "C", Code("RESTORE", "Restore of all studies", "99CVAI"))
    STORED = _Meaning(_INSTANCES_TRANSFERRED, "C", life_cycle="1")
    SIGNED_IN = _Meaning(_USER_AUTHENTICATION, "E", Code("110122", "Login"))
    SIGNED_OUT = _Meaning(_USER_AUTHENTICATION, "E", Code("110123", "Logout"))
    UPLOADED = _Meaning(_IMPORT, "C", Code("UPLOAD", "Upload into the inbox", "99CVAI"))
    READERS_CHANGED = _Meaning(_SECURITY_ALERT, "E", Code("110137", "User Security Attributes Changed"))
    STARTED = _Meaning(_APPLICATION_ACTIVITY, "E", Code("110120", "Application Start"))
    ANALYSIS_STOPPED = _Meaning(_APPLICATION_ACTIVITY, "E", Code("STOP", "Analysis stopped", "99CVAI"))
    ANALYSIS_RESUMED = _Meaning(_APPLICATION_ACTIVITY, "E", Code("RESUME", "Analysis resumed", "99CVAI"))
    STOPPED = _Meaning(_APPLICATION_ACTIVITY, "E", Code("110121", "Application Stop"))


class AuditedObject(NamedTuple):
    """A DICOM object affected by an act."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An act or an attempt at it.

    Args:
        act: performed or attempted.
        user: account name, or name of the worker for acts without a user.
        study_uid: affected study, None for acts without one.
        objects: affected objects, empty for the study as a whole.
        address: host name or IP address of the client, empty when unknown.
        allowed: False when it was refused or failed.
        requested: whether ``user`` requested the act.
        detail: requested part of the study or list, as the page's path; the recipient; or which analysis is
            stopped or resumed, and why.
        listed: StudyInstanceUIDs shown in a list.
        times: number of equal events that this one represents.
        since: time of the first of these, timezone aware; None for a single event.

    Raises:
        ValueError: a study where the act has none, or none where it needs one; a list of another act; a
            user's name or a detail that XML cannot carry.
    """

    act: Act
    user: str
    study_uid: str | None = None
    objects: tuple[AuditedObject, ...] = ()
    address: str = ""
    allowed: bool = True
    requested: bool = True
    detail: str = ""
    listed: tuple[str, ...] = ()
    times: int = 1
    since: datetime | None = None

    def __post_init__(self) -> None:
        if (self.study_uid is not None) is not bool(self.act.value.life_cycle):
            raise ValueError(f"{self.act.name} and study {self.study_uid} do not go together")
        if not self.user.isprintable() or not self.user:
            raise ValueError("a user's name is printable and not empty")
        if not self.detail.isprintable():
            raise ValueError("a detail is printable")
        if self.listed and self.act is not Act.LISTED:
            raise ValueError(f"{self.act.name} lists no studies")


class Recipient(Protocol):
    """Receives audit messages besides the file; raises OSError on failure."""

    def send(self, message: str, at: datetime) -> None:
        """Send one message."""
        ...


@dataclass(frozen=True)
class AuditTrail:
    """Appends every event to a file and forwards it.

    The file is opened for each message, so that it can be rotated and shared between processes.

    Args:
        path: of the file; created when missing, readable by its owner only.
        source: AuditSourceID, the name of this installation.
        recipient: receives forwarded messages.
        now: the present time, timezone aware.
        reserve: disk space for messages while the disk is full, None without.
    """

    path: Path
    source: str
    recipient: Recipient | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    reserve: Reserve | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def record(self, event: AuditEvent) -> None:
        """Write an event durably, and forward it.

        Raises:
            TemporarilyUnavailable: it could not be written, so the act must not take place.
        """
        at = self.now()
        message = audit_message(event, self.source, at)
        try:
            with self._lock:
                self._append(f"{message}\n".encode())
        except OSError as error:
            raise TemporarilyUnavailable(
                "audit_unavailable",
                f"the audit trail cannot be written: {error.strerror}.",
                "Check the disk of audit.file and the rights of the service's user.",
            ) from error
        self._send(message, at)

    def _append(self, line: bytes) -> None:
        append = partial(_append, self.path, line)
        append() if self.reserve is None else self.reserve.write(append)

    def _send(self, message: str, at: datetime) -> None:
        if self.recipient is None:
            return
        try:
            self.recipient.send(message, at)
        except OSError as error:
            # The file is the record; an unreachable collector must not block work.
            log.warning("audit_not_sent", reason=error.strerror or type(error).__name__)


def _append(path: Path, line: bytes) -> None:
    """Append in a single write, so that lines of processes do not mix, and sync."""
    if not path.parent.exists():
        private_folder(path.parent)
    file = os.open(private_file(path), os.O_WRONLY | os.O_APPEND)
    try:
        if (written := os.write(file, line)) != len(line):
            os.ftruncate(file, os.fstat(file).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)
    finally:
        os.close(file)


def audit_message(event: AuditEvent, source: str, at: datetime) -> str:
    """The event as an XML message by the schema of PS3.15 A.5.1, on one line."""
    root = ET.Element("AuditMessage")
    _identify_event(root, event, at)
    _identify_participant(root, event)
    audit_source = ET.SubElement(root, "AuditSourceIdentification", AuditSourceID=source)
    ET.SubElement(audit_source, "AuditSourceTypeCode", {"csd-code": APPLICATION_SERVER})
    if event.study_uid is not None:
        _identify_study(root, event, event.study_uid)
    if event.act is Act.LISTED:
        _identify_list(root, event)
    return ET.tostring(root, encoding="unicode")


def _identify_event(root: ET.Element, event: AuditEvent, at: datetime) -> None:
    attributes = {
        "EventActionCode": event.act.value.action,
        "EventDateTime": at.isoformat(timespec="milliseconds"),
        "EventOutcomeIndicator": "0" if event.allowed else "4",
    }
    identification = ET.SubElement(root, "EventIdentification", attributes)
    _coded(identification, "EventID", event.act.value.event)
    if event.act.value.type is not None:
        _coded(identification, "EventTypeCode", event.act.value.type)
    if event.since is not None:
        since = event.since.isoformat(timespec="milliseconds")
        ET.SubElement(identification, "EventOutcomeDescription").text = f"{event.times} times since {since}"
    elif event.act in (Act.ANALYSIS_STOPPED, Act.ANALYSIS_RESUMED):
        ET.SubElement(identification, "EventOutcomeDescription").text = event.detail


def _identify_participant(root: ET.Element, event: AuditEvent) -> None:
    attributes = {"UserID": event.user, "UserIsRequestor": str(event.requested).lower()}
    if event.address:
        is_number = event.address.replace(".", "").isdigit() or ":" in event.address
        attributes["NetworkAccessPointID"] = event.address
        attributes["NetworkAccessPointTypeCode"] = IP_ADDRESS if is_number else MACHINE_NAME
    ET.SubElement(root, "ActiveParticipant", attributes)


def _identify_study(root: ET.Element, event: AuditEvent, study_uid: str) -> None:
    attributes = {
        "ParticipantObjectID": study_uid,
        "ParticipantObjectTypeCode": SYSTEM_OBJECT,
        "ParticipantObjectTypeCodeRole": REPORT,
        "ParticipantObjectDataLifeCycle": event.act.value.life_cycle,
    }
    study = ET.SubElement(root, "ParticipantObjectIdentification", attributes)
    _coded(study, "ParticipantObjectIDTypeCode", STUDY_INSTANCE_UID)
    ET.SubElement(study, "ParticipantObjectName").text = study_uid
    if event.detail:
        value = base64.b64encode(event.detail.encode()).decode()
        ET.SubElement(study, "ParticipantObjectDetail", type="detail", value=value)
    counts = Counter(item.sop_class_uid for item in event.objects)
    if counts:
        description = ET.SubElement(study, "ParticipantObjectDescription")
    for uid, count in counts.items():
        sop_class = ET.SubElement(description, "SOPClass", UID=uid, NumberOfInstances=str(count))
        for item in event.objects:
            if item.sop_class_uid == uid:
                ET.SubElement(sop_class, "Instance", UID=item.sop_instance_uid)


def _identify_list(root: ET.Element, event: AuditEvent) -> None:
    attributes = {
        "ParticipantObjectID": event.detail or "studies",
        "ParticipantObjectTypeCode": SYSTEM_OBJECT,
        "ParticipantObjectTypeCodeRole": QUERY,
    }
    query = ET.SubElement(root, "ParticipantObjectIdentification", attributes)
    _coded(query, "ParticipantObjectIDTypeCode", SEARCH_CRITERIA)
    ET.SubElement(query, "ParticipantObjectName").text = event.detail or "studies"
    if event.listed:
        description = ET.SubElement(query, "ParticipantObjectDescription")
        studies = ET.SubElement(description, "ParticipantObjectContainsStudy")
        for uid in event.listed:
            ET.SubElement(studies, "StudyIDs", UID=uid)


def _coded(parent: ET.Element, name: str, code: Code) -> None:
    ET.SubElement(
        parent,
        name,
        {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning},
    )


@dataclass(frozen=True, slots=True)
class SyslogUdp:
    """Sends messages as syslog over UDP (PS3.15 A.6.2, RFC 5424 and 5426)."""

    host: str
    port: int = 514

    def send(self, message: str, at: datetime) -> None:
        """Send one message; see ``Recipient``."""
        family, kind, protocol, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as line:
            line.sendto(syslog_line(message, at), address)


def syslog_line(message: str, at: datetime) -> bytes:
    """An audit message in its syslog envelope: facility authpriv, severity notice (PS3.15 A.6.1)."""
    header = f"<85>1 {at.isoformat(timespec='milliseconds')} {socket.gethostname()} cvai {os.getpid()}"
    return f"{header} DICOM+RFC3881 - ".encode() + b"\xef\xbb\xbf" + message.encode()


def open_audit_trail(settings: Settings) -> AuditTrail:
    """The audit trail the settings name; nothing is written yet."""
    audit = settings.audit
    recipient = None if audit.syslog_host is None else SyslogUdp(audit.syslog_host, audit.syslog_port)
    path = settings.audit_file
    reserve = Reserve(path.with_name(f".{path.name}.reserve"))
    return AuditTrail(path, f"cvai-{socket.gethostname()}", recipient, reserve=reserve)


def user_of_system() -> str:
    """The operating system's user name, or "uid N" where there is none.

    Environment variables are not used: users can set them.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
