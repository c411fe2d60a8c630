"""Every filling of the archive ports, each as a place with studies in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import pytest

from cvai.archive.cursor import CursorRow
from cvai.archive.dicomweb.archive import DicomwebArchive
from cvai.archive.dicomweb.qido import QidoFeed
from cvai.archive.folder.archive import FolderArchive
from cvai.archive.folder.inbox import InboxFeed
from cvai.archive.http import new_session
from cvai.archive.orthanc.archive import OrthancArchive, OrthancFeed
from cvai.archive.orthanc.rest import OrthancRest
from cvai.archive.port import Archive, StudyFeed
from cvai.archive.seen import SeenStudies
from tests.dicomweb_server import DicomwebStore, running_archive
from tests.orthanc import PASSWORD, USERNAME, Orthanc, needs_orthanc
from tests.standin import memory_below


class Place(Protocol):
    """A running archive as somebody other than cvai sees it."""

    archive: Archive

    def feed(self) -> StudyFeed:
        """A feed as a freshly started service opens it."""
        ...

    def receive(self, paths: list[Path]) -> None:
        """The archive receives files from a modality."""
        ...


@dataclass
class FolderPlace:
    root: Path

    def __post_init__(self) -> None:
        self.archive = FolderArchive(self.root / "archive")
        self._deliveries = 0

    def feed(self) -> StudyFeed:
        seen = SeenStudies(memory_below(self.root), "folder")
        return InboxFeed(self.root / "inbox", self.archive, seen, settle_s=0.05)

    def receive(self, paths: list[Path]) -> None:
        self._deliveries += 1
        delivery = self.root / "inbox" / f"delivery-{self._deliveries}"
        delivery.mkdir(parents=True)
        for path in paths:
            shutil.copy(path, delivery)


@dataclass
class OrthancPlace:
    orthanc: Orthanc
    root: Path

    def __post_init__(self) -> None:
        self._session = new_session(USERNAME, PASSWORD)
        self._rest = OrthancRest(self.orthanc.url, self._session, timeout_s=20)
        self.archive = OrthancArchive(self._rest, self._session, 20, "/dicom-web/")

    def feed(self) -> StudyFeed:
        return OrthancFeed(self._rest, CursorRow(memory_below(self.root), "orthanc"), from_now=False)

    def receive(self, paths: list[Path]) -> None:
        self.orthanc.stow(paths)


@dataclass
class DicomwebPlace:
    """The same Orthanc, known by nothing but its DICOMweb root."""

    orthanc: Orthanc
    root: Path

    def __post_init__(self) -> None:
        session = new_session(USERNAME, PASSWORD)
        self.archive = DicomwebArchive(f"{self.orthanc.url}/dicom-web", session, timeout_s=20)

    def feed(self) -> StudyFeed:
        seen = SeenStudies(memory_below(self.root), "dicomweb")
        return QidoFeed(self.archive, seen, settle_s=0.2, look_back_days=1, older=True)

    def receive(self, paths: list[Path]) -> None:
        self.orthanc.stow(paths)


@dataclass
class OddDicomwebPlace:
    """A DICOMweb archive that takes little and tells little."""

    url: str
    store: DicomwebStore
    root: Path

    def __post_init__(self) -> None:
        self.archive = DicomwebArchive(self.url, new_session(), timeout_s=20)

    def feed(self) -> StudyFeed:
        seen = SeenStudies(memory_below(self.root), "dicomweb")
        return QidoFeed(self.archive, seen, settle_s=0.05, look_back_days=1, older=True)

    def receive(self, paths: list[Path]) -> None:
        self.store.receive(paths)


@pytest.fixture
def odd_place(tmp_path: Path) -> Iterator[OddDicomwebPlace]:
    manners = {"limit 200", "null count", "sparse", "no star", "no chunks", "says nothing", "unquoted"}
    store = DicomwebStore(frozenset(manners))
    with running_archive(store) as url:
        yield OddDicomwebPlace(url, store, tmp_path)


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    server.start()
    yield server
    server.stop()


real_orthanc = [needs_orthanc, pytest.mark.orthanc]


@pytest.fixture(
    params=[
        "folder",
        "odd dicomweb",
        pytest.param("orthanc", marks=real_orthanc),
        pytest.param("dicomweb", marks=real_orthanc),
    ],
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return FolderPlace(tmp_path / "place")
    if request.param == "odd dicomweb":
        return cast("Place", request.getfixturevalue("odd_place"))
    kind = {"orthanc": OrthancPlace, "dicomweb": DicomwebPlace}[request.param]
    return kind(request.getfixturevalue("orthanc"), tmp_path)
