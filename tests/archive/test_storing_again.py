"""A line that dies while objects are sent: asked again first, by whoever may still send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pydicom import dcmread

from cvai.archive.dicomweb.archive import DicomwebArchive
from cvai.archive.folder.archive import FolderArchive
from tests.loopback import serving
from tests.standin import derived_uid, write_image, write_segmentation

STUDY = "1.2.3"
OBJECT = derived_uid(STUDY, "segmentation")


class HangsUp(ThreadingHTTPServer):
    """A DICOMweb archive that hangs up in the middle of the first STOW request.

    Args:
        stands: SOP Instance UIDs that QIDO-RS finds once it has.
    """

    def __init__(self, stands: tuple[str, ...]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stands, self.stows = stands, 0
        self.asked_about: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    server: HangsUp

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path.endswith("/instances"):
            self.server.asked_about |= set(parse_qs(url.query).get("SeriesInstanceUID", [""]))
        stands = self.server.stands if self.server.stows and "offset=" not in self.path else ()
        self._answer([{"00080018": {"vr": "UI", "Value": [uid]}} for uid in stands])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.stows += 1
        if self.server.stows == 1:
            self.close_connection = True
        else:
            item = {"00081155": {"vr": "UI", "Value": [OBJECT]}}
            self._answer({"00081199": {"vr": "SQ", "Value": [item]}})

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hangs_up(request: pytest.FixtureRequest) -> Iterator[HangsUp]:
    server = HangsUp(request.param)
    with serving(server):
        yield server


def archive_of(server: HangsUp) -> DicomwebArchive:
    return DicomwebArchive(f"http://127.0.0.1:{server.server_port}", requests.Session(), timeout_s=10)


@pytest.mark.parametrize(("hangs_up", "n_stows"), [((OBJECT,), 1), ((), 2)], indirect=["hangs_up"])
def test_what_stands_by_now_is_not_sent_again(hangs_up: HangsUp, n_stows: int, tmp_path: Path) -> None:
    path = write_segmentation(tmp_path, STUDY)
    report = archive_of(hangs_up).store(STUDY, [path])
    assert hangs_up.stows == n_stows
    assert hangs_up.asked_about == {dcmread(path).SeriesInstanceUID}, "not about the images"
    assert report.stored == (OBJECT,), "it was sent, whether or not it arrived by this line"


class Dead(BaseException):
    """As a worker's that others have taken the jobs of."""


@pytest.mark.parametrize("hangs_up", [()], indirect=True)
def test_who_may_no_longer_send_does_not_send_again(hangs_up: HangsUp, tmp_path: Path) -> None:
    asked = []

    def alive_at_first() -> None:
        asked.append(hangs_up.stows)
        if hangs_up.stows:
            raise Dead

    with pytest.raises(Dead):
        archive_of(hangs_up).store(STUDY, [write_segmentation(tmp_path, STUDY)], alive_at_first)
    assert asked == [0, 1]
    assert hangs_up.stows == 1


def test_a_folder_asks_before_each_file_and_not_for_those_that_stand(tmp_path: Path) -> None:
    archive, paths = FolderArchive(tmp_path / "archive"), [write_image(tmp_path, STUDY, n) for n in (1, 2, 3)]
    archive.store(STUDY, paths[:1])
    asked = []

    def dies_at_the_second() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Dead

    with pytest.raises(Dead):
        archive.store(STUDY, paths, dies_at_the_second)
    assert len(archive.content(STUDY).instances) == 2
