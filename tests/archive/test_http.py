"""What an HTTP answer means for a job, asked of a real server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.archive.dicomweb.archive import DicomwebArchive, batches
from cvai.archive.http import new_session, retry_after_s
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from tests.loopback import serving
from tests.orthanc import free_port
from tests.standin import derived_uid, write_segmentation

STUDY = "1.2.3"


class Answering(ThreadingHTTPServer):
    """Answers every request with one status, body and header, and counts them."""

    def __init__(self, status: int, body: bytes, header: tuple[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body, self.header, self.requests = status, body, header, 0


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests += 1
        # A QIDO-RS answer is followed by the question for the rest, which is empty.
        empty = "offset=" in self.path and self.command == "GET"
        body = b"" if self.server.status == 200 and empty else self.server.body
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        if self.server.header is not None:
            self.send_header(*self.server.header)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 - the base class looks for these names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[Answering]:
    server = Answering(*request.param)
    with serving(server):
        yield server


def archive_at(port: int) -> DicomwebArchive:
    session = new_session("reader", "do-not-tell")
    return DicomwebArchive(f"http://127.0.0.1:{port}/dicom-web", session, timeout_s=5)


@pytest.mark.parametrize(
    ("answering", "kind", "code"),
    [
        ((401, b""), ArchiveRejected, "archive_denied"),
        ((403, b""), ArchiveRejected, "archive_denied"),
        ((400, b""), ArchiveRejected, "archive_rejected"),
        ((404, b""), ArchiveRejected, "archive_rejected"),
        ((408, b""), TemporarilyUnavailable, "archive_busy"),
        ((429, b""), TemporarilyUnavailable, "archive_busy"),
        ((500, b""), TemporarilyUnavailable, "archive_busy"),
        ((503, b""), TemporarilyUnavailable, "archive_busy"),
        ((200, b"<html>a login page</html>"), TemporarilyUnavailable, "archive_answer_unreadable"),
    ],
    indirect=["answering"],
)
def test_the_status_decides_between_later_and_no(
    answering: Answering, kind: type[CvaiError], code: str
) -> None:
    with pytest.raises(kind) as caught:
        archive_at(answering.server_port).content(STUDY)
    assert caught.value.code == code
    assert caught.value.hint
    several = kind is TemporarilyUnavailable or answering.status == 400
    assert answering.requests in ((2, 3) if several else (1,)), "once more, or in the other ways there are"


@pytest.mark.parametrize(
    ("answering", "wait_s"),
    [
        ((429, b"", ("Retry-After", "5")), 5.0),
        ((503, b"", ("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")), 6 * 3600),
    ],
    indirect=["answering"],
)
def test_an_archive_that_says_when_to_come_back_is_not_asked_before(
    answering: Answering, wait_s: float
) -> None:
    with pytest.raises(TemporarilyUnavailable) as caught:
        archive_at(answering.server_port).content(STUDY)
    assert caught.value.retry_after_s == wait_s
    assert answering.requests == 1


ONE_IMAGE = json.dumps(
    [{tag: {"vr": "UI", "Value": ["1.2.3.4"]} for tag in ("00080016", "00080018", "0020000E")}]
).encode()
A_LISTING = 2
"""Requests: the list and its rest."""


@pytest.mark.parametrize("told", ["", "-5", "inf", "soon", "Fri, 99 Dec 99999 23:59:59 GMT", "9" * 5000])
def test_a_wait_that_is_none_is_not_waited(told: str) -> None:
    assert 0 <= retry_after_s({"Retry-After": told}) <= 6 * 3600


@pytest.mark.parametrize("answering", [(200, ONE_IMAGE)], indirect=True)
def test_a_list_of_just_now_is_used_once(answering: Answering) -> None:
    archive = archive_at(answering.server_port)
    announced = archive.content(STUDY)
    assert archive.content(STUDY, max_age_s=60) is announced
    assert answering.requests == A_LISTING
    assert archive.content(STUDY, max_age_s=60) is not announced
    assert archive.content("1.2.4", max_age_s=60).study_uid == "1.2.4"
    assert answering.requests == 3 * A_LISTING


@pytest.mark.parametrize("answering", [(200, ONE_IMAGE)], indirect=True)
def test_who_asks_for_the_list_of_now_gets_it(answering: Answering) -> None:
    archive = archive_at(answering.server_port)
    archive.content(STUDY)
    archive.content(STUDY)
    assert answering.requests == 2 * A_LISTING


@given(sizes=st.lists(st.integers(0, 120), max_size=40))
def test_batches_hold_every_file_once_in_order_and_are_bounded(sizes: list[int]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("cvai.archive.dicomweb.archive.STORE_BATCH", 4)
        patch.setattr("cvai.archive.dicomweb.archive.STORE_BATCH_BYTES", 100)
        paths = [Path(folder) / str(number) for number in range(len(sizes))]
        for path, size in zip(paths, sizes, strict=True):
            path.write_bytes(bytes(size))
        made = list(batches(paths))
        assert [path for batch in made for path in batch] == paths
        for batch in made:
            assert 1 <= len(batch) <= 4
            assert len(batch) == 1 or sum(path.stat().st_size for path in batch) <= 100


def test_nobody_there_is_unavailable_and_tells_no_credentials() -> None:
    with pytest.raises(TemporarilyUnavailable) as caught:
        archive_at(free_port()).content(STUDY)
    assert caught.value.code == "archive_unreachable"
    assert "do-not-tell" not in str(caught.value)


@pytest.mark.parametrize(
    "answering",
    [
        (
            200,
            b'{"00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["2.25.7"]},'
            b' "00081197": {"vr": "US", "Value": [49442]}}]}}',
        )
    ],
    indirect=True,
)
def test_an_object_the_archive_did_not_take_is_named_with_its_reason(
    answering: Answering, tmp_path: Path
) -> None:
    path = write_segmentation(tmp_path, STUDY)
    uid = derived_uid(STUDY, "segmentation")
    answering.body = answering.body.replace(b"2.25.7", uid.encode())
    with pytest.raises(ArchiveRejected, match=rf"1 of 1 objects: {uid} \(49442\)"):
        archive_at(answering.server_port).store(STUDY, [path])
