"""C-STORE from real senders: what is confirmed stands on disk, whatever happens to the line."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import DataElement, dcmread
from pydicom.config import IGNORE
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from cvai.archive.part10 import identity_in
from cvai.dicom.read.classes import CAN_HOLD_A_CINE
from cvai.errors import ConfigurationInvalid
from cvai.transfer.node import Node, listening
from cvai.transfer.receiver import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
    OUT_OF_RESOURCES,
    STORAGE_CONTEXTS,
    SUCCESS,
    InboxReceiver,
)
from cvai.transfer.tls import Certificate
from tests.dicom_peers import (
    CutLine,
    a_node,
    calling,
    data_set_bytes,
    needs_dcmtk,
    needs_openssl,
    self_signed,
    send,
    storescu,
)
from tests.process import eventually
from tests.standin import derived_uid, write_compressed_image, write_image, write_study


@dataclass
class Ward:
    """A node that receives into an inbox."""

    inbox: Path
    port: int

    def received(self) -> dict[str, Path]:
        """Files that have their final name, by SOP Instance UID."""
        return {path.stem: path for path in self.inbox.rglob("*.dcm") if not path.name.startswith(".")}

    def everything(self) -> list[Path]:
        return [path for path in self.inbox.rglob("*") if path.is_file()]


@contextmanager
def receiving(inbox: Path, node: Node) -> Iterator[Ward]:
    with listening(node, STORAGE_CONTEXTS, InboxReceiver(inbox).handlers) as port:
        yield Ward(inbox, port)


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("dead_lines_closed")]


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    with receiving(tmp_path / "inbox", a_node()) as made:
        yield made


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


@needs_dcmtk
def test_what_dcmtk_sends_lies_in_the_inbox_byte_for_byte(ward: Ward, study_uid: str, tmp_path: Path) -> None:
    paths = write_study(tmp_path / "src", study_uid, 3)
    done = storescu(ward.port, paths)
    assert done.returncode == 0, done.stderr
    received = ward.received()
    assert {path.parent.name for path in received.values()} == {study_uid}
    sent = {str(dcmread(path).SOPInstanceUID): data_set_bytes(path) for path in paths}
    assert {uid: data_set_bytes(path) for uid, path in received.items()} == sent


def test_every_class_that_is_measured_is_taken() -> None:
    assert {context.abstract_syntax for context in STORAGE_CONTEXTS} >= CAN_HOLD_A_CINE


def test_compressed_pixels_that_nobody_can_decode_are_kept_as_they_are(
    ward: Ward, study_uid: str, tmp_path: Path
) -> None:
    path = write_compressed_image(tmp_path / "src", study_uid, 1)
    assert send(ward.port, [path]) == [SUCCESS]
    (received,) = ward.received().values()
    assert data_set_bytes(received) == data_set_bytes(path)
    assert dcmread(received).file_meta.TransferSyntaxUID == dcmread(path).file_meta.TransferSyntaxUID


def test_an_instance_sent_again_replaces_itself(ward: Ward, study_uid: str, tmp_path: Path) -> None:
    path = write_image(tmp_path / "src", study_uid, 1)
    assert send(ward.port, [path, path]) == [SUCCESS, SUCCESS]
    assert len(ward.everything()) == 1


def test_a_node_answers_an_echo(ward: Ward) -> None:
    entity = AE("SCANNER")
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", ward.port, ae_title="CVAI")
    assert association.send_c_echo().Status == SUCCESS
    association.release()


@needs_dcmtk
@pytest.mark.parametrize(("caller", "called"), [("STRANGER", "CVAI"), ("SCANNER", "OTHER")])
def test_a_caller_of_another_name_is_rejected_and_so_is_a_call_for_somebody_else(
    ward: Ward, study_uid: str, tmp_path: Path, caller: str, called: str
) -> None:
    done = storescu(ward.port, write_study(tmp_path / "src", study_uid, 1), caller=caller, called=called)
    assert done.returncode != 0
    assert "Association Rejected" in done.stderr
    assert not ward.inbox.exists()


def test_a_caller_from_elsewhere_is_hung_up_on_and_the_others_are_served(
    study_uid: str, tmp_path: Path
) -> None:
    paths = write_study(tmp_path / "src", study_uid, 1)
    elsewhere = replace(a_node(), allowed_networks=(ip_network("192.0.2.0/24"), ip_network("127.0.0.2/32")))
    with receiving(tmp_path / "inbox", elsewhere) as ward:
        assert send(ward.port, paths) == [None]
        assert not ward.inbox.exists()
        with calling(ward.port, paths, bind_address=("127.0.0.2", 0)) as association:
            assert association.send_c_store(paths[0]).Status == SUCCESS


@pytest.mark.parametrize(
    ("keyword", "value", "status"),
    [
        ("StudyInstanceUID", "../../escaped", CANNOT_UNDERSTAND),
        ("StudyInstanceUID", "", CANNOT_UNDERSTAND),
        ("StudyInstanceUID", "1." * 40 + "1", CANNOT_UNDERSTAND),
        ("SOPInstanceUID", "1.2.3.4", DATA_SET_DOES_NOT_MATCH_SOP_CLASS),
        ("SOPInstanceUID", "/etc/passwd", CANNOT_UNDERSTAND),
    ],
)
def test_an_instance_whose_uids_could_lead_elsewhere_is_not_taken(
    ward: Ward, tmp_path: Path, keyword: str, value: str, status: int
) -> None:
    path = write_image(tmp_path / "src", "1.2.3", 1)
    changed = dcmread(path)
    changed.add(DataElement(keyword, "UI", value, validation_mode=IGNORE))
    changed.save_as(path, enforce_file_format=False)
    with calling(ward.port, [path]) as association, as_the_file_says():
        answer = association.send_c_store(path)
    assert answer.Status == status
    assert not ward.inbox.exists()
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_line_cut_at_any_point_loses_nothing_that_was_confirmed_and_leaves_no_half_files(
    ward: Ward, study_uid: str, tmp_path: Path, share: float
) -> None:
    paths = [large_image(tmp_path / "src", study_uid, number) for number in range(1, 5)]
    uids = {path: str(dcmread(path).SOPInstanceUID) for path in paths}
    total_bytes = sum(path.stat().st_size for path in paths)
    line = CutLine(ward.port, int(share * total_bytes))
    statuses = dict(zip(paths, send(line.port, paths), strict=True))
    line.close()
    assert None in statuses.values()

    confirmed = {uids[path] for path, status in statuses.items() if status == SUCCESS}
    received = ward.received()
    assert confirmed <= received.keys()
    for path in paths:
        if uids[path] in received:
            assert data_set_bytes(received[uids[path]]) == data_set_bytes(path)

    assert send(ward.port, paths) == [SUCCESS] * 4, "the node goes on, and what is missing is sent again"
    assert len(ward.everything()) == 4


def test_an_association_that_is_aborted_keeps_what_was_confirmed(
    ward: Ward, study_uid: str, tmp_path: Path
) -> None:
    paths = write_study(tmp_path / "src", study_uid, 3)
    with calling(ward.port, paths) as association:
        for path in paths[:2]:
            assert association.send_c_store(path).Status == SUCCESS
        association.abort()
    assert len(ward.received()) == 2


def test_a_disk_that_takes_no_more_is_told_to_the_sender_who_can_send_again(
    ward: Ward, study_uid: str, tmp_path: Path
) -> None:
    path = large_image(tmp_path / "src", study_uid, 1)
    small = write_image(tmp_path / "src", study_uid, 2)
    with largest_file(path.stat().st_size // 2):
        assert send(ward.port, [path, small]) == [OUT_OF_RESOURCES, SUCCESS]
    assert len(ward.everything()) == 1, "of the one that did not fit nothing is left"
    assert send(ward.port, [path]) == [SUCCESS]


@needs_openssl
def test_with_tls_only_those_with_a_certificate_get_in_and_a_silent_caller_keeps_nobody_out(
    study_uid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvai.transfer.guarded.HANDSHAKE_S", 0.2)
    paths = write_study(tmp_path / "src", study_uid, 1)
    ours = self_signed(tmp_path)
    asks_for_proof = replace(ours, authorities=ours.certificate)
    with receiving(tmp_path / "inbox", a_node(tls=asks_for_proof)) as ward:
        with socket.create_connection(("127.0.0.1", ward.port)):
            known = asks_for_proof.for_calls()
            assert send(ward.port, paths, tls_args=(known, "127.0.0.1")) == [SUCCESS]
        unknown = Certificate(authorities=ours.certificate).for_calls()
        assert send(ward.port, paths, tls_args=(unknown, "127.0.0.1")) == [None]
        assert send(ward.port, paths) == [None], "plain text"


def test_a_port_in_use_and_a_certificate_that_is_none_are_told_at_start(ward: Ward, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationInvalid, match="cannot listen"),
        receiving(tmp_path, replace(a_node(), port=ward.port)),
    ):
        pass
    no_certificate = tmp_path / "no.pem"
    no_certificate.write_text("no certificate")
    with (
        pytest.raises(ConfigurationInvalid, match="certificate"),
        receiving(tmp_path, a_node(tls=Certificate(no_certificate, no_certificate))),
    ):
        pass


def test_a_node_that_is_stopped_hangs_up_and_frees_its_port(study_uid: str, tmp_path: Path) -> None:
    paths = write_study(tmp_path / "src", study_uid, 1)
    with receiving(tmp_path / "inbox", a_node()) as ward, calling(ward.port, paths) as association:
        assert association.is_established
    eventually(lambda: not association.is_established, "the association to end", timeout_s=10)
    with receiving(tmp_path / "inbox", replace(a_node(), port=ward.port)) as again:
        assert send(again.port, paths) == [SUCCESS]


@pytest.mark.filterwarnings("ignore")  # mutated file meta makes pydicom warn, which decides nothing
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_the_identity_of_a_mutated_file_is_three_sound_uids_or_nothing(data: st.DataObject) -> None:
    content = bytearray(WHOLE_FILE)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(132, len(content))) :]
    identity = identity_in(BytesIO(bytes(content)))
    if identity is not None:
        assert set(identity.study_uid + identity.sop_instance_uid) <= set("0123456789.")
        assert not identity.study_uid.startswith(".")


@contextmanager
def as_the_file_says() -> Iterator[None]:
    """Let pynetdicom name an instance by its file meta information, and send the data set unread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pynetdicom._config.STORE_SEND_CHUNKED_DATASET", True)
        yield


def large_image(folder: Path, study_uid: str, number: int) -> Path:
    """An image of 400 kB: many times what fits into one PDU."""
    path = write_image(folder, study_uid, number)
    made = dcmread(path)
    made.Rows, made.Columns = 400, 512
    made.PixelData = bytes([number]) * (2 * 400 * 512)
    made.save_as(path)
    return path


@contextmanager
def largest_file(limit_bytes: int) -> Iterator[None]:
    """As a full disk does, the kernel refuses to write more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _whole_file() -> bytes:
    with TemporaryDirectory() as folder:
        return write_image(Path(folder), "1.2.3", 1).read_bytes()


WHOLE_FILE = _whole_file()
