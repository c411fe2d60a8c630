"""A study that is sent without a length, and the line that breaks on its way: never taken for the whole."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from cvai.archive.dicomweb.archive import DicomwebArchive
from cvai.archive.dicomweb.multipart import AnswerBroken, split
from cvai.errors import TemporarilyUnavailable
from tests.loopback import serving

BOUNDARY = "a-boundary"
BODIES = [b"first\r\n--", b"", b"third\r\n\r\n--a-bound"]
MESSAGE = (
    b"".join(
        f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + body for body in BODIES
    )
    + f"\r\n--{BOUNDARY}--\r\n".encode()
)
WHOLE_FROM = len(MESSAGE) - len("\r\n")
"""Of the message only what follows its end may be missing."""


class Sends(ThreadingHTTPServer):
    """Answers every request with one body that ends where the line does, as Orthanc sends studies."""

    def __init__(self, content_type: str, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content_type, self.body, self.requests = content_type, body, 0


class Handler(BaseHTTPRequestHandler):
    server: Sends

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(200)
        self.send_header("Content-Type", self.server.content_type)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sends(request: pytest.FixtureRequest) -> Iterator[Sends]:
    server = Sends(*request.param)
    with serving(server):
        yield server


def archive_of(server: Sends) -> DicomwebArchive:
    return DicomwebArchive(f"http://127.0.0.1:{server.server_port}", requests.Session(), timeout_s=10)


def in_chunks(message: bytes, size: int) -> list[bytes]:
    return [message[start : start + size] for start in range(0, len(message), size)]


@given(size=st.integers(1, len(MESSAGE) + 1))
def test_parts_are_the_same_in_whatever_pieces_they_come(size: int) -> None:
    assert [bytes(part) for part in split(in_chunks(MESSAGE, size), BOUNDARY.encode())] == BODIES


@given(length=st.integers(0, WHOLE_FROM - 1), size=st.integers(1, len(MESSAGE)))
def test_a_message_cut_anywhere_is_broken_and_no_part_of_it_is_cut(length: int, size: int) -> None:
    told = []
    with pytest.raises(AnswerBroken):
        told.extend(split(in_chunks(MESSAGE[:length], size), BOUNDARY.encode()))
    assert [bytes(part) for part in told] == BODIES[: len(told)]


def test_what_follows_the_end_is_not_missed() -> None:
    assert len(list(split([MESSAGE[:WHOLE_FROM]], BOUNDARY.encode()))) == len(BODIES)


MULTIPART = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


@pytest.mark.parametrize("sends", [(MULTIPART, MESSAGE)], indirect=True)
def test_a_study_without_a_length_is_fetched(sends: Sends, tmp_path: Path) -> None:
    assert archive_of(sends).fetch("1.2.3", tmp_path) == len(BODIES)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == BODIES


@pytest.mark.parametrize(
    "sends",
    [
        (MULTIPART, MESSAGE[: WHOLE_FROM - len(BOUNDARY) - 10]),
        (MULTIPART, MESSAGE[: len(BOUNDARY) + 12]),
        (MULTIPART, b""),
        ("text/html", b"<html>back in a minute</html>"),
        ("multipart/related", MESSAGE),
    ],
    ids=["in the last part", "in a part's headers", "nothing", "a page", "no boundary"],
    indirect=True,
)
def test_a_broken_answer_is_asked_for_again_and_the_job_waits(sends: Sends, tmp_path: Path) -> None:
    with pytest.raises(TemporarilyUnavailable, match="AnswerBroken") as caught:
        archive_of(sends).fetch("1.2.3", tmp_path)
    assert caught.value.code == "archive_unreachable"
    assert sends.requests == 2
