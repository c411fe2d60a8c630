"""HL7 messages to a receiver of another library, that answers well, badly, late or never."""

from __future__ import annotations

import base64
from pathlib import Path

import hl7
import pytest
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from cvai.archive.odd import OddAnswers
from cvai.dicom.write.hl7 import ResultStatus, oru_message
from cvai.errors import ArchiveRejected, ConfigurationInvalid, CvaiError, TemporarilyUnavailable
from cvai.transfer.hl7 import Hl7Destination
from cvai.transfer.hl7_message import Addressing, OruMessage
from cvai.transfer.mllp import MllpReceiver, acknowledgement
from cvai.transfer.tls import Certificate
from tests.dicom.write.synthetic import context_of, make_analysis
from tests.dicom_peers import needs_openssl, self_signed
from tests.hl7_receiver import LATE_S, Hl7Receiver, running_receiver
from tests.orthanc import free_port

PDF = b"%PDF-1.7 " + bytes(range(256)) * 800


@pytest.fixture(scope="module")
def message() -> OruMessage:
    return OruMessage.of(oru_message(context_of(make_analysis((2, 3, 24, 40)))))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(PDF)
    return path


def client(port: int, timeout_s: float = 5.0, tls: Certificate | None = None) -> MllpReceiver:
    return MllpReceiver("127.0.0.1", port, timeout_s, tls, OddAnswers())


def destination(
    port: int, addressing: Addressing | None = None, *, pdf: bool = True, link: str | None = None
) -> Hl7Destination:
    return Hl7Destination(client(port), addressing or Addressing(), attach_pdf=pdf, link=link)


def received(receiver: Hl7Receiver) -> hl7.Message:
    """The only message, which is HL7 with everything that was added to it."""
    (message,) = receiver.messages
    parse_message(str(message)).validate()
    return message


@pytest.mark.parametrize("answer", ["AA", "CA", "late"])
def test_a_message_arrives_as_it_was_written(message: OruMessage, answer: str) -> None:
    with running_receiver(answer) as receiver:
        client(receiver.port).send(message.text, message.control_id)
    assert receiver.texts == [message.text]


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ("AE", ArchiveRejected, "hl7_rejected"),
        ("CE", ArchiveRejected, "hl7_rejected"),
        ("AE:101", ArchiveRejected, "hl7_rejected"),
        ("AE:204", ArchiveRejected, "hl7_rejected"),
        ("AR:200", ArchiveRejected, "hl7_rejected"),
        ("CR:203", ArchiveRejected, "hl7_rejected"),
        ("AE:206", TemporarilyUnavailable, "hl7_busy"),
        ("AE:207", TemporarilyUnavailable, "hl7_busy"),
        ("AR", TemporarilyUnavailable, "hl7_busy"),
        ("CR", TemporarilyUnavailable, "hl7_busy"),
        ("AR:207", TemporarilyUnavailable, "hl7_busy"),
        ("never", TemporarilyUnavailable, "hl7_unreachable"),
        ("closes", TemporarilyUnavailable, "hl7_unreachable"),
        ("half", TemporarilyUnavailable, "hl7_unreachable"),
        ("garbage", TemporarilyUnavailable, "hl7_unreachable"),
        ("other", TemporarilyUnavailable, "hl7_unreachable"),
        ("endless", TemporarilyUnavailable, "hl7_unreachable"),
    ],
)
def test_the_answer_decides_between_later_and_no_and_quotes_no_patient(
    message: OruMessage, answer: str, kind: type[CvaiError], code: str
) -> None:
    with running_receiver(answer) as receiver, pytest.raises(kind) as caught:
        client(receiver.port, 2 * LATE_S).send(message.text, message.control_id)
    assert caught.value.code == code
    assert "Müller" not in str(caught.value)


def test_answers_that_are_none_are_counted(message: OruMessage) -> None:
    with running_receiver("garbage", "endless") as receiver:
        sender = client(receiver.port)
        for _ in range(2):
            with pytest.raises(TemporarilyUnavailable):
                sender.send(message.text, message.control_id)
    assert sender.odd.counts == {("hl7", "acknowledgement"): 2}


def test_nobody_there_is_unavailable(message: OruMessage) -> None:
    with pytest.raises(TemporarilyUnavailable) as caught:
        client(free_port()).send(message.text, message.control_id)
    assert caught.value.code == "hl7_unreachable"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("MSH|^~\\&|EHR\rMSA|AA|ID1\r", ("AA", ())),
        ("MSH|^~\\&|EHR\r\nMSA|AA|ID1|thanks\r\n", ("AA", ())),
        ("MSH#*~\\&#EHR##########2.9\rMSA#AE#ID1\rERR###207*internal\r", ("AE", ("207",))),
        ("MSH|^~\\&|EHR\rMSA|AR|ID1\rERR|PID^1^3^101&Required field missing\r", ("AR", ("101",))),
        ("MSH|^~\\&|EHR\rMSA|AE|ID1\rERR|||Müller\r", ("AE", ())),
        ("MSH|^~\\&|EHR\rMSA|AA|ID2\r", None),
        ("MSH|^~\\&|EHR\rMSA|OK|ID1\r", None),
        ("MSH|^~\\&|EHR\rMSA|AA\r", None),
        ("MSH|^~\\&|EHR\r", None),
        ("MSA|AA|ID1\r", None),
        ("MSH\rMSA|AA|ID1\r", None),
        ("", None),
    ],
)
def test_what_decides_is_read_of_any_version(answer: str, found: tuple[str, tuple[str, ...]] | None) -> None:
    read = acknowledgement(answer.encode(), "ID1")
    assert (None if read is None else (read.code, read.errors)) == found


@given(st.binary())
def test_no_answer_does_harm(answer: bytes) -> None:
    assert acknowledgement(answer, "ID1") is None
    acknowledgement(b"MSH|^~\\&|\rMSA|AE|ID1\rERR|" + answer, "ID1")


@needs_openssl
def test_a_message_goes_over_tls_to_a_receiver_that_is_trusted(message: OruMessage, tmp_path: Path) -> None:
    theirs = self_signed(tmp_path)
    with running_receiver(tls=theirs.for_callers()) as receiver:
        sender = client(receiver.port, tls=Certificate(authorities=theirs.certificate))
        assert sender.probe().endswith("answers with TLS")
        sender.send(message.text, message.control_id)
        with pytest.raises(TemporarilyUnavailable) as caught:
            client(receiver.port, tls=Certificate()).send(message.text, message.control_id)
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.message
    assert receiver.texts == [message.text]


def test_a_missing_certificate_is_a_matter_of_configuration(message: OruMessage, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid):
        client(1, tls=Certificate(authorities=tmp_path / "none.pem")).send(message.text, "ID1")


def test_a_receiver_that_answers_is_found_without_sending_anything() -> None:
    with running_receiver() as receiver:
        assert client(receiver.port).probe().endswith("answers")
    assert receiver.texts == []


def test_the_report_is_in_the_message_as_a_file(message: OruMessage, report: Path) -> None:
    with running_receiver() as receiver:
        destination(receiver.port).send(message, report)
    found = received(receiver).segments("OBX")
    last = found[-1]
    assert [str(last[n]) for n in (1, 2, 11)] == [str(len(found)), "ED", "P"]
    assert [str(part) for part in last[5][0]][:4] == ["", "AP", "PDF", "Base64"]
    assert base64.b64decode(str(last[5][0][4])) == PDF


def test_a_link_names_the_study(message: OruMessage, report: Path) -> None:
    link = "https://pacs.example/view?study={study_uid}&open=1"
    with running_receiver() as receiver:
        destination(receiver.port, pdf=False, link=link).send(message, report)
    found = received(receiver)
    last = found.segments("OBX")[-1]
    assert str(last[2]) == "RP"
    assert found.unescape(str(last[5][0][0])) == link.replace("{study_uid}", message.study_uid)


def test_who_sends_and_who_receives_is_what_the_site_says(message: OruMessage, report: Path) -> None:
    site = Addressing("CVAI", "HEART", "RIS^1.2^ISO", "CLINIC", "T", accession_is_filler=True)
    with running_receiver() as receiver:
        destination(receiver.port, site).send(message, report)
    found = received(receiver)
    assert [str(found.segment("MSH")[n]) for n in (3, 4, 5, 6, 11)] == [
        "CVAI",
        "HEART",
        "RIS^1.2^ISO",
        "CLINIC",
        "T",
    ]
    assert [str(found.segment(name)[3]) for name in ("ORC", "OBR")] == ["A77", "A77"]


def test_a_message_without_a_patient_is_not_sent(report: Path) -> None:
    nobody = OruMessage.of("MSH|^~\\&|CVAI\rPID|1||||Doe\rOBR|1\r")
    with running_receiver() as receiver, pytest.raises(ArchiveRejected) as caught:
        destination(receiver.port).send(nobody, report)
    assert caught.value.code == "hl7_without_patient"
    assert receiver.texts == []


def test_a_message_that_breaks_the_definition_is_not_sent_and_not_quoted(report: Path) -> None:
    broken = OruMessage.of("MSH|^~\\&|CVAI|||||||ORU^R01^ORU_R01|7|P|2.5.1\rPID|1||7||Doe^Jane\rOBR|1\r")
    with running_receiver() as receiver, pytest.raises(ArchiveRejected) as caught:
        destination(receiver.port).send(broken, report)
    assert caught.value.code == "hl7_invalid"
    assert "Doe" not in str(caught.value)
    assert receiver.texts == []


@pytest.mark.parametrize(("status", "of_order"), [(ResultStatus.CORRECTED, "C"), (ResultStatus.WRONG, "C")])
def test_results_get_another_status_as_a_message_of_its_own(
    message: OruMessage, status: ResultStatus, of_order: str
) -> None:
    changed = message.with_status(status)
    assert changed == message.with_status(status)
    parse_message(changed.text).validate()
    found = hl7.parse(changed.text)
    assert changed.control_id != message.control_id
    assert str(found.segment("OBR")[25]) == of_order
    assert [str(s[11]) for s in found.segments("OBX")[:3]] == ["O", "O", str(status)]
    assert {str(s[11]) for s in found.segments("OBX")[2:]} == {str(status)}
