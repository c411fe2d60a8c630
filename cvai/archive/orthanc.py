"""Orthanc: its DICOMweb plugin as the archive, its list of changes as the feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import requests
import structlog

from cvai.archive.cursor import CursorFile
from cvai.archive.dicomweb import DicomwebArchive
from cvai.archive.http import archive_errors, once_more
from cvai.archive.port import Announcements, ArchiveProbe, Cursor
from cvai.archive.traits import SENDER, StudyTraits
from cvai.errors import ConfigurationInvalid

log = structlog.get_logger(__name__)

CHANGES_PAGE = 1000


@dataclass(frozen=True, slots=True)
class OrthancCursor:
    """How far Orthanc's changes have been read.

    Args:
        since: number of the last change read; None before the first.
        watched: Orthanc's identifiers of studies that were not stable yet.
    """

    since: int | None
    watched: tuple[str, ...]

    @classmethod
    def from_json(cls, cursor: Cursor) -> OrthancCursor:
        """The cursor as it was written by ``to_json``; the first one from an empty mapping."""
        since, watched = cursor.get("since"), cursor.get("watched", [])
        if not (since is None or isinstance(since, int)) or not isinstance(watched, list):
            raise ConfigurationInvalid(
                "cursor_unreadable",
                "the feed's cursor is not one of Orthanc's changes.",
                "Move it away: every study is then announced again, and none is analysed twice.",
            )
        return cls(since, tuple(str(identifier) for identifier in watched))

    def to_json(self) -> Cursor:
        """The cursor as JSON values."""
        return {"since": self.since, "watched": list(self.watched)}


class OrthancRest:
    """The few questions cvai asks of Orthanc's own REST API.

    Args:
        url: address of Orthanc, such as ``http://localhost:8042``.
        session: carries the credentials.
        timeout_s: how long to wait for an answer.
    """

    def __init__(self, url: str, session: requests.Session, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._timeout_s = timeout_s

    @once_more
    def get(self, path: str) -> Any:
        """The JSON at ``path``; None when Orthanc has no such resource (any more)."""
        with archive_errors(f"answer {path}"):
            response = self._session.get(f"{self.url}{path}", timeout=self._timeout_s)
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            response.raise_for_status()
            return response.json()

    def sender(self, study_uid: str) -> str:
        """AE title that sent the first instance of a study; empty when it did not come by C-STORE."""
        with archive_errors(f"look up study {study_uid}"):
            response = self._session.post(f"{self.url}/tools/lookup", data=study_uid, timeout=self._timeout_s)
            response.raise_for_status()
        studies = [found["ID"] for found in response.json() if found["Type"] == "Study"]
        series = [s for study in studies for s in (self.get(f"/studies/{study}") or {}).get("Series", ())]
        first = (self.get(f"/series/{series[0]}") or {}).get("Instances", []) if series else []
        metadata = self.get(f"/instances/{first[0]}/metadata?expand") if first else None
        return str((metadata or {}).get("RemoteAET", ""))

    def now(self) -> datetime:
        """Orthanc's own time."""
        with archive_errors("tell its time"):
            response = self._session.get(f"{self.url}/tools/now", timeout=self._timeout_s)
            response.raise_for_status()
        return datetime.strptime(response.text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


class OrthancArchive(DicomwebArchive):
    """Orthanc with its DICOMweb plugin.

    Args:
        rest: Orthanc's own API.
        session: carries the credentials.
        timeout_s: how long to wait for an answer.
        dicomweb_path: where the plugin answers (``DicomWeb.Root`` in Orthanc's configuration).
    """

    def __init__(
        self, rest: OrthancRest, session: requests.Session, timeout_s: float, dicomweb_path: str
    ) -> None:
        super().__init__(f"{rest.url}/{dicomweb_path.strip('/')}", session, timeout_s)
        self._rest = rest

    def traits(self, study_uid: str) -> StudyTraits:
        """Ask the plugin about the series, and Orthanc itself who sent them; see ``Archive.traits``."""
        sender = frozenset({self._rest.sender(study_uid)} - {""})
        return StudyTraits({**super().traits(study_uid).values, SENDER: sender})

    def probe(self) -> ArchiveProbe:
        """Ask both the plugin and Orthanc itself; see ``Archive.probe``."""
        detail = super().probe().detail
        version = (self._rest.get("/system") or {}).get("Version", "?")
        return ArchiveProbe(detail=f"Orthanc {version}, {detail}", clock=self._rest.now())


class OrthancFeed:
    """Announces a study when Orthanc calls it stable: nothing new has come for its ``StableAge``.

    Orthanc keeps the ageing of studies in memory: when it restarts in that time, a new study is never called
    stable by a change. So the changes only tell which studies to watch, and each watched study is asked about
    until it is stable or gone.

    Args:
        rest: Orthanc's own API.
        cursor: ``since``, the last change read, and ``watched``, Orthanc's identifiers of ageing studies.
        from_now: at the very first start, leave alone what Orthanc holds already.
    """

    def __init__(self, rest: OrthancRest, cursor: CursorFile, from_now: bool) -> None:
        self._rest = rest
        self._file = cursor
        self._from_now = from_now
        self._acknowledged = OrthancCursor.from_json(cursor.load())

    def poll(self) -> Announcements:
        """Read the next changes after the cursor; see ``StudyFeed.poll``."""
        since = self._acknowledged.since
        page = self._changes(self._start() if since is None else since)
        # Orthanc 1.10 ignores the query parameters that would select a type.
        touched = (c["ID"] for c in page["Changes"] if c["ChangeType"] in ("NewStudy", "StableStudy"))
        watched = dict.fromkeys((*self._acknowledged.watched, *touched))
        studies = {identifier: self._rest.get(f"/studies/{identifier}") for identifier in watched}
        ageing = tuple(i for i, study in studies.items() if study is not None and not study["IsStable"])
        settled = (study for i, study in studies.items() if study is not None and i not in ageing)
        uids = dict.fromkeys(study["MainDicomTags"]["StudyInstanceUID"] for study in settled)
        cursor = OrthancCursor(page["Last"], ageing)
        return Announcements(tuple(uids), cursor.to_json(), more=not page["Done"])

    def acknowledge(self, announcements: Announcements) -> None:
        """Make the cursor durable; see ``StudyFeed.acknowledge``."""
        cursor = OrthancCursor.from_json(announcements.cursor)
        if cursor != self._acknowledged:
            self._file.save(cursor.to_json())
            self._acknowledged = cursor

    def _start(self) -> int:
        return int(self._rest.get("/changes?last")["Last"]) if self._from_now else 0

    def _changes(self, since: int) -> Mapping[str, Any]:
        """The next page of changes after ``since``."""
        page = self._rest.get(f"/changes?since={since}&limit={CHANGES_PAGE}")
        if page["Last"] >= since:
            return dict(page)
        # Orthanc was set up anew: its changes count from one again.
        log.warning("archive_started_anew", since=since, last=page["Last"])
        return self._changes(0)
