"""The audit trail: messages by the schema of PS3.15 A.5.1, written first, no patient named."""

from __future__ import annotations

import base64
import errno
import os
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from structlog.testing import capture_logs

from cvai.audit.messages import (
    Act,
    AuditedObject,
    AuditEvent,
    AuditTrail,
    SyslogUdp,
    audit_message,
    open_audit_trail,
    user_of_system,
)
from cvai.errors import TemporarilyUnavailable
from cvai.settings import Settings
from tests.conftest import ROOT

NOW = datetime(2026, 3, 1, 12, 30, 15, 250000, tzinfo=UTC)
SR = AuditedObject("1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4")
OF_A_STUDY = [act for act in Act if act.value.life_cycle]

CODED = {"csd-code", "codeSystemName", "originalText"}
SCHEMA: dict[str, tuple[list[str], set[str], set[str]]] = {
    "AuditMessage": (
        [
            "EventIdentification",
            "ActiveParticipant",
            "AuditSourceIdentification",
            "ParticipantObjectIdentification",
        ],
        set(),
        set(),
    ),
    "EventIdentification": (
        ["EventID", "EventTypeCode", "EventOutcomeDescription"],
        {"EventDateTime", "EventOutcomeIndicator"},
        {"EventActionCode"},
    ),
    "EventID": ([], CODED, set()),
    "EventTypeCode": ([], CODED, set()),
    "EventOutcomeDescription": ([], set(), set()),
    "ActiveParticipant": (
        ["RoleIDCode"],
        {"UserID", "UserIsRequestor"},
        {"NetworkAccessPointID", "NetworkAccessPointTypeCode"},
    ),
    "AuditSourceIdentification": (["AuditSourceTypeCode"], {"AuditSourceID"}, set()),
    "AuditSourceTypeCode": ([], {"csd-code"}, set()),
    "ParticipantObjectIdentification": (
        [
            "ParticipantObjectIDTypeCode",
            "ParticipantObjectName",
            "ParticipantObjectDetail",
            "ParticipantObjectDescription",
        ],
        {"ParticipantObjectID"},
        {"ParticipantObjectTypeCode", "ParticipantObjectTypeCodeRole", "ParticipantObjectDataLifeCycle"},
    ),
    "ParticipantObjectIDTypeCode": ([], CODED, set()),
    "ParticipantObjectName": ([], set(), set()),
    "ParticipantObjectDetail": ([], {"type", "value"}, set()),
    "ParticipantObjectDescription": (["SOPClass", "ParticipantObjectContainsStudy"], set(), set()),
    "ParticipantObjectContainsStudy": (["StudyIDs"], set(), set()),
    "StudyIDs": ([], {"UID"}, set()),
    "SOPClass": (["Instance"], {"NumberOfInstances"}, {"UID"}),
    "Instance": ([], {"UID"}, set()),
}
"""Children in order, attributes that must and that may stand: PS3.15 A.5.1, as far as cvai writes it."""


def require_by_the_schema(element: ET.Element) -> None:
    order, must, may = SCHEMA[element.tag]
    assert must <= set(element.keys()) <= must | may, element.tag
    places = [order.index(child.tag) for child in element]
    assert places == sorted(places), element.tag
    for child in element:
        require_by_the_schema(child)


def event(act: Act, **more: object) -> AuditEvent:
    study_uid = "1.2.3" if act in OF_A_STUDY else None
    return AuditEvent(act, "reader", study_uid, **more)  # type: ignore[arg-type]


def participant_object(message: ET.Element) -> ET.Element:
    found = message.find("ParticipantObjectIdentification")
    assert found is not None
    return found


@pytest.mark.parametrize("act", Act)
def test_every_act_is_a_message_by_the_standards_schema(act: Act) -> None:
    objects = (SR,) if act in OF_A_STUDY else ()
    made = event(act, objects=objects, address="10.0.0.7", allowed=False)
    message = ET.fromstring(audit_message(made, "here", NOW))  # noqa: S314 - our own
    require_by_the_schema(message)
    assert message.find("EventIdentification").attrib["EventOutcomeIndicator"] == "4"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("act", "code", "action", "life_cycle"),
    [
        (Act.SEEN, "110103", "R", "6"),
        (Act.CHANGED, "110103", "U", "3"),
        (Act.SIGNED, "110103", "U", "4"),
        (Act.EXPORTED, "110106", "R", "10"),
        (Act.STORED, "110104", "C", "1"),
    ],
)
def test_what_was_done_to_a_study_is_told_in_the_standards_words(
    act: Act, code: str, action: str, life_cycle: str
) -> None:
    message = ET.fromstring(audit_message(event(act, objects=(SR,)), "here", NOW))  # noqa: S314
    identification = message.find("EventIdentification")
    assert identification is not None
    assert identification.attrib["EventActionCode"] == action
    assert identification.attrib["EventDateTime"] == "2026-03-01T12:30:15.250+00:00"
    assert identification[0].attrib["csd-code"] == code
    study = participant_object(message)
    assert (study.attrib["ParticipantObjectID"], study[0].attrib["csd-code"]) == ("1.2.3", "110180")
    assert study.attrib["ParticipantObjectDataLifeCycle"] == life_cycle
    assert [i.attrib["UID"] for i in study.iter("Instance")] == [SR.sop_instance_uid]


def test_a_study_goes_with_acts_on_studies_and_with_no_other() -> None:
    with pytest.raises(ValueError, match="SEEN"):
        AuditEvent(Act.SEEN, "reader")
    with pytest.raises(ValueError, match="SIGNED_IN"):
        AuditEvent(Act.SIGNED_IN, "reader", "1.2.3")
    with pytest.raises(ValueError, match="printable"):
        AuditEvent(Act.SIGNED_IN, "rea\0der")


def test_a_list_of_studies_names_each_of_them() -> None:
    listed = AuditEvent(Act.LISTED, "reader", detail="/worklist", listed=("1.2.3", "1.2.4"))
    message = ET.fromstring(audit_message(listed, "here", NOW))  # noqa: S314
    require_by_the_schema(message)
    assert participant_object(message).attrib["ParticipantObjectID"] == "/worklist"
    assert [study.attrib["UID"] for study in message.iter("StudyIDs")] == ["1.2.3", "1.2.4"]
    with pytest.raises(ValueError, match="lists no studies"):
        event(Act.SEEN, listed=("1.2.3",))


def test_which_part_of_a_study_was_seen_is_a_detail_of_it() -> None:
    message = ET.fromstring(audit_message(event(Act.SEEN, detail="/labels", objects=(SR,)), "here", NOW))  # noqa: S314
    require_by_the_schema(message)
    (detail,) = message.iter("ParticipantObjectDetail")
    assert base64.b64decode(detail.attrib["value"]) == b"/labels"
    with pytest.raises(ValueError, match="printable"):
        event(Act.SEEN, detail="a\nline")


def test_several_events_that_were_alike_are_one_message_with_their_number() -> None:
    refused = AuditEvent(Act.SIGNED_IN, "unknown", allowed=False, times=57, since=NOW)
    message = ET.fromstring(audit_message(refused, "here", NOW))  # noqa: S314
    require_by_the_schema(message)
    assert message.findtext(".//EventOutcomeDescription") == "57 times since 2026-03-01T12:30:15.250+00:00"


def test_a_name_that_looks_like_xml_stays_a_name() -> None:
    text = audit_message(AuditEvent(Act.SIGNED_IN, '"/><ActiveParticipant UserID="admin'), "here", NOW)
    message = ET.fromstring(text)  # noqa: S314
    require_by_the_schema(message)
    assert [p.attrib["UserID"] for p in message.iter("ActiveParticipant")] == [
        '"/><ActiveParticipant UserID="admin'
    ]


def test_messages_are_appended_one_a_line_readable_by_the_owner_alone(tmp_path: Path) -> None:
    trail = open_audit_trail(Settings(data_folder=tmp_path))
    for act in Act:
        trail.record(event(act))
    file = tmp_path / "audit.log"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    messages = [ET.fromstring(line) for line in file.read_text().splitlines()]  # noqa: S314
    assert len(messages) == len(Act)


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "audit.log", "here")
    trail.record(event(Act.SEEN))
    (tmp_path / "audit.log").rename(tmp_path / "audit.log.1")
    trail.record(event(Act.SIGNED))
    assert len((tmp_path / "audit.log").read_text().splitlines()) == 1


WRITER = """
import sys
from pathlib import Path
from cvai.audit.messages import Act, AuditEvent, AuditTrail
trail = AuditTrail(Path(sys.argv[1]), "here")
for number in range(100):
    trail.record(AuditEvent(Act.SEEN, f"reader-{sys.argv[2]}", f"1.2.{number}"))
"""


@pytest.mark.slow
def test_processes_that_write_at_once_keep_their_lines_apart(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), str(n)], cwd=ROOT) for n in range(3)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    lines = file.read_text().splitlines()
    assert len(lines) == 300
    for line in lines:
        require_by_the_schema(ET.fromstring(line))  # noqa: S314


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_cannot_be_written_down_is_not_to_be_done() -> None:
    with pytest.raises(TemporarilyUnavailable, match="audit trail cannot be written") as caught:
        AuditTrail(Path("/dev/full"), "here").record(event(Act.SEEN))
    assert caught.value.code == "audit_unavailable"


def test_messages_are_sent_on_as_syslog(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(10)
        recipient = SyslogUdp("127.0.0.1", collector.getsockname()[1])
        AuditTrail(tmp_path / "audit.log", "here", recipient, now=lambda: NOW).record(event(Act.SIGNED))
        received = collector.recv(65535)
    header, message = received.split(b"\xef\xbb\xbf")
    version, at, _, application, process, kind, data = header.decode().split()
    assert (version, at, application) == ("<85>1", "2026-03-01T12:30:15.250+00:00", "cvai")
    assert (process, kind, data) == (str(os.getpid()), "DICOM+RFC3881", "-")
    assert message.decode() == (tmp_path / "audit.log").read_text().rstrip("\n")


class Away:
    def send(self, message: str, at: datetime) -> None:  # noqa: ARG002 - names are the protocol's
        raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))


def test_a_collector_that_is_away_is_told_in_the_log_and_holds_nobody_up(tmp_path: Path) -> None:
    with capture_logs() as lines:
        AuditTrail(tmp_path / "audit.log", "here", Away()).record(event(Act.SEEN))
    assert [line["event"] for line in lines] == ["audit_not_sent"]
    assert (tmp_path / "audit.log").read_text().count("\n") == 1


def test_who_asks_on_a_command_line_is_named_even_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    assert user_of_system() not in ("", "somebody-else")

    def nameless(uid: int) -> object:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", nameless)
    assert user_of_system() == f"uid {os.getuid()}"
