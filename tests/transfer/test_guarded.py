"""Callers that are silent, slow, many or without measure: others are served all the same."""

from __future__ import annotations

import errno
import os
import resource
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from cvai.transfer.guarded import HANDSHAKE_S, CallLimits
from cvai.transfer.node import listening
from cvai.transfer.receiver import STORAGE_CONTEXTS, SUCCESS, InboxReceiver
from tests.dicom_peers import a_node, calling, needs_openssl, self_signed, send
from tests.hospital import resident_mb
from tests.process import eventually
from tests.standin import derived_uid, write, write_image, write_study

STUDY = derived_uid("guarded")
LIMITS = CallLimits(associations=4, by_address=6)
ASSOCIATE_RQ, P_DATA = 0x01, 0x04

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("dead_lines_closed")]


@contextmanager
def receiving(inbox: Path, limits: CallLimits = LIMITS, **of_node: object) -> Iterator[int]:
    node = replace(a_node(), limits=limits, **of_node)
    with listening(node, STORAGE_CONTEXTS, InboxReceiver(inbox).handlers) as port:
        yield port


def silent(port: int, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(address, 0))


def is_hung_up(line: socket.socket) -> bool:
    """Whether the other side has ended the connection."""
    line.settimeout(0.05)
    try:
        return line.recv(100) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def took(line: socket.socket, data: bytes) -> bool:
    try:
        line.sendall(data)
    except OSError:
        return False
    return True


def answers_an_echo(port: int) -> bool:
    entity = AE("SCANNER")
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", port, ae_title="CVAI")
    if not association.is_established:
        return False
    status = association.send_c_echo().Status
    association.release()
    return bool(status == SUCCESS)


def test_silent_callers_of_one_address_take_no_place_from_a_scanner(tmp_path: Path) -> None:
    paths = write_study(tmp_path / "src", STUDY, 2)
    with receiving(tmp_path / "inbox") as port, ExitStack() as lines:
        for _ in range(60):
            lines.enter_context(silent(port))
        assert send(port, paths) == [SUCCESS] * 2


def test_silent_callers_of_many_addresses_take_no_place_from_a_scanner(tmp_path: Path) -> None:
    paths = write_study(tmp_path / "src", STUDY, 2)
    with receiving(tmp_path / "inbox") as port, ExitStack() as lines:
        for number in range(60):
            lines.enter_context(silent(port, f"127.0.1.{number + 1}"))
        assert send(port, paths) == [SUCCESS] * 2


def test_who_says_nothing_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.transfer.guarded.REQUEST_S", 0.2)
    with receiving(tmp_path / "inbox") as port, silent(port) as line:
        eventually(lambda: is_hung_up(line), "the line to end", 30)


@pytest.mark.parametrize("begun", [b"\x01", struct.pack(">BBL", ASSOCIATE_RQ, 0, 300) + b"half"])
def test_a_request_that_never_comes_to_its_end_is_given_up(
    begun: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvai.transfer.guarded.PDU_S", 0.3)
    with receiving(tmp_path / "inbox") as port, silent(port) as line:
        line.sendall(begun)
        eventually(lambda: is_hung_up(line), "the line to end", 15)


def test_a_request_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.transfer.guarded.PDU_S", 0.3)
    with receiving(tmp_path / "inbox") as port, silent(port) as line:
        line.sendall(struct.pack(">BBL", ASSOCIATE_RQ, 0, 10_000))

        def drips_on() -> bool:
            try:
                line.sendall(b"\0")
            except ConnectionError:
                return True
            return is_hung_up(line)

        eventually(drips_on, "the line to end", 15)


@pytest.mark.parametrize("kind", [ASSOCIATE_RQ, P_DATA])
def test_a_request_of_four_gigabytes_is_not_waited_for(kind: int, tmp_path: Path) -> None:
    before_mb = resident_mb(os.getpid())
    with receiving(tmp_path / "inbox") as port, silent(port) as line:
        line.sendall(struct.pack(">BBL", kind, 0, 0xFFFFFFFF))
        sent = sum(1 for _ in range(200) if took(line, bytes(1_000_000)))
        assert sent < 50
        assert answers_an_echo(port)
    assert resident_mb(os.getpid()) - before_mb < 100


def test_an_instance_over_the_limit_is_given_up_and_one_below_it_is_kept(tmp_path: Path) -> None:
    small = write_image(tmp_path / "src", STUDY, 1)
    large = dcmread(write_image(tmp_path / "src", STUDY, 2))
    large.Rows, large.Columns, large.PixelData = 512, 512, bytes(2 * 512 * 512)
    large_path = write(large, tmp_path / "src" / "large.dcm")
    with receiving(tmp_path / "inbox", replace(LIMITS, message_bytes=200_000)) as port:
        assert send(port, [small, large_path]) == [SUCCESS, None]
        assert send(port, [small] * 20) == [SUCCESS] * 20, "it is of a message, not of an association"
    assert len(list((tmp_path / "inbox").rglob("*.dcm"))) == 1


def test_more_associations_than_allowed_are_rejected_for_now(tmp_path: Path) -> None:
    paths = write_study(tmp_path / "src", STUDY, 1)
    two = CallLimits(associations=2, by_address=10)
    with receiving(tmp_path / "inbox", two) as port, ExitStack() as held:
        for _ in range(2):
            assert held.enter_context(calling(port, paths)).is_established
        third = held.enter_context(calling(port, paths))
        assert third.is_rejected
        assert third.acceptor.primitive.result == 2, "transient (PS3.8 table 9-21)"


def test_who_is_being_served_is_not_put_out_by_others_of_its_address(tmp_path: Path) -> None:
    paths = write_study(tmp_path / "src", STUDY, 2)
    with receiving(tmp_path / "inbox") as port, calling(port, paths) as association, ExitStack() as lines:
        for _ in range(30):
            lines.enter_context(silent(port))
        assert [association.send_c_store(path).Status for path in paths] == [SUCCESS] * 2


@needs_openssl
def test_callers_that_never_agree_on_tls_keep_nobody_waiting(tmp_path: Path) -> None:
    paths = write_study(tmp_path / "src", STUDY, 1)
    ours = self_signed(tmp_path)
    trusted = replace(ours, authorities=ours.certificate).for_calls()
    with receiving(tmp_path / "inbox", tls=ours) as port, ExitStack() as lines:
        for _ in range(30):
            lines.enter_context(silent(port))
        begun_s = time.monotonic()
        assert send(port, paths, tls_args=(trusted, "127.0.0.1")) == [SUCCESS]
        assert time.monotonic() - begun_s < 30 * HANDSHAKE_S / 2, "they were not waited for one by one"


def test_a_process_without_handles_takes_calls_again_once_it_has_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving(tmp_path / "inbox") as port, socket.socket() as line:
        with no_handles_left():
            line.connect(("127.0.0.1", port))
            eventually(lambda: os.strerror(errno.EMFILE) in capsys.readouterr().out, "it to be told")
        assert answers_an_echo(port)


@contextmanager
def no_handles_left() -> Iterator[None]:
    """As where others of the process have taken them all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for handle in taken:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
