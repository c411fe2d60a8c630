"""Real DICOM peers on loopback: cvai's own node, dcmtk's senders, certificates, and a line that is cut."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.association import Association

from cvai.transfer.node import Node
from cvai.transfer.tls import Certificate

LOOPBACK = ip_network("127.0.0.0/8")

needs_dcmtk = pytest.mark.skipif(shutil.which("storescu") is None, reason="needs dcmtk (Debian: dcmtk)")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def a_node(
    ae_title: str = "CVAI", callers: Sequence[str] = ("SCANNER",), tls: Certificate | None = None
) -> Node:
    return Node(ae_title, "127.0.0.1", 0, tuple(callers), (LOOPBACK,), tls)


def storescu(
    port: int, paths: Sequence[Path], *options: str, caller: str = "SCANNER", called: str = "CVAI"
) -> subprocess.CompletedProcess[str]:
    """dcmtk's sender, as a scanner would."""
    command = ["storescu", "-v", *options, "-aet", caller, "-aec", called, "127.0.0.1", str(port)]
    return subprocess.run(
        [*command, *map(str, paths)], capture_output=True, text=True, check=False, timeout=60
    )


@contextmanager
def calling(port: int, paths: Sequence[Path], called: str = "CVAI", **tls: object) -> Iterator[Association]:
    """An association from SCANNER for all that is in the files, each in the transfer syntax it is in."""
    entity = AE("SCANNER")
    entity.connection_timeout = entity.dimse_timeout = 5
    entity.acse_timeout = 30  # an association takes pynetdicom seconds to begin where the machine is busy
    for header in (dcmread(path, stop_before_pixels=True) for path in paths):
        entity.add_requested_context(header.SOPClassUID, header.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title=called, **tls)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def send(port: int, paths: Sequence[Path], called: str = "CVAI", **tls: object) -> list[int | None]:
    """The status of each C-STORE, None where the line went dead."""
    with calling(port, paths, called, **tls) as association:
        statuses: list[int | None] = []
        for path in paths:
            answer = association.send_c_store(path) if association.is_established else {}
            statuses.append(answer.get("Status", None) if "Status" in answer else None)
        return statuses


def data_set_bytes(path: Path) -> bytes:
    """What a file holds after its file meta information."""
    with path.open("rb") as file:
        dcmread(file, stop_before_pixels=True, specific_tags=[])
    content = path.read_bytes()
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


class CutLine:
    """Passes a connection on to a port, and cuts it after so many bytes of the caller's."""

    def __init__(self, port: int, after_bytes: int) -> None:
        self._target, self._left = port, after_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(timeout=120)

    def _pass_on(self) -> None:
        caller, _ = self._listener.accept()
        with caller, socket.create_connection(("127.0.0.1", self._target)) as called:
            back = threading.Thread(target=_pump, args=(called, caller), daemon=True)
            back.start()
            while self._left > 0 and (data := caller.recv(min(self._left, 65536))):
                called.sendall(data)
                self._left -= len(data)
            called.shutdown(socket.SHUT_RDWR)
            caller.shutdown(socket.SHUT_RDWR)
            back.join(timeout=120)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        return


def self_signed(folder: Path) -> Certificate:
    """A certificate for 127.0.0.1 that vouches for itself."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    options = ["-nodes", "-days", "2", "-subj", "/CN=cvai tests", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", *options, *files],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return Certificate(certificate, key)
