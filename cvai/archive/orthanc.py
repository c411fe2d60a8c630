"""Orthanc: its DICOMweb plugin as the archive, its list of changes as the feed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypedDict, cast

import requests
import structlog

from cvai.archive.cursor import KeptCursor
from cvai.archive.dicomweb import DicomwebArchive
from cvai.archive.http import archive_errors, once_more
from cvai.archive.port import Announcements, ArchiveProbe, Cursor
from cvai.archive.traits import SENDER, StudyTraits
from cvai.errors import ConfigurationInvalid

log = structlog.get_logger(__name__)

CHANGES_PAGE = 1000

ASKED_EVERY_S = 5.0
"""Seconds between two questions about studies that Orthanc has not called stable."""


class Change(TypedDict):
    """What happened to something that Orthanc keeps: its identifier, not a DICOM one."""

    ChangeType: str
    ID: str


class ChangesPage(TypedDict):
    """Changes in the order they happened, the number of the last one, and whether it is the newest."""

    Changes: list[Change]
    Last: int
    Done: bool


@dataclass(frozen=True, slots=True)
class OrthancCursor:
    """How far Orthanc's changes have been read.

    Args:
        since: number of the last change read; None before the first.
        watched: Orthanc's identifiers of studies that were not stable yet.
        looked: number of the last change up to which the studies of all instances are known to be watched.
    """

    since: int | None
    watched: tuple[str, ...]
    looked: int

    @classmethod
    def from_json(cls, cursor: Cursor) -> OrthancCursor:
        """The cursor as it was written by ``to_json``; the first one from an empty mapping."""
        since, watched = cursor.get("since"), cursor.get("watched", [])
        looked = cursor.get("looked", since or 0)
        if not (isinstance(since, int | None) and isinstance(watched, list) and isinstance(looked, int)):
            raise ConfigurationInvalid(
                "cursor_unreadable",
                "the feed's cursor is not one of Orthanc's changes.",
                "Delete its row in cvai_feed_cursors: all studies are announced again, none analysed twice.",
            )
        return cls(since, tuple(str(identifier) for identifier in watched), looked)

    def to_json(self) -> Cursor:
        """The cursor as JSON values."""
        return {"since": self.since, "watched": list(self.watched), "looked": self.looked}


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

    Orthanc keeps the ageing of studies in memory: when it restarts in that time, a study is never called
    stable by a change. So every few seconds it is asked about the studies of all instances that have come
    and that no such change has followed, until they are stable or gone.

    Args:
        rest: Orthanc's own API.
        cursor: see ``OrthancCursor``.
        from_now: at the very first start, leave alone what Orthanc holds already.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        rest: OrthancRest,
        cursor: KeptCursor,
        from_now: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rest = rest
        self._file = cursor
        self._from_now = from_now
        self._clock = clock
        self._acknowledged = OrthancCursor.from_json(cursor.load())
        self._ask_again_s = -math.inf
        self._asked = False

    def poll(self) -> Announcements:
        """Read the next changes after the cursor; see ``StudyFeed.poll``."""
        reached, page = self._next_changes()
        # Orthanc 1.10 ignores the query parameters that would select a type.
        touched = [c["ID"] for c in page["Changes"] if c["ChangeType"] in ("NewStudy", "StableStudy")]
        looked = reached.looked
        self._asked = self._clock() >= self._ask_again_s
        if self._asked:
            touched += [*reached.watched, *self._unfollowed(looked, page["Last"])]
            looked = max(looked, page["Last"])
        studies = {
            identifier: self._rest.get(f"/studies/{identifier}") for identifier in dict.fromkeys(touched)
        }
        ageing = [i for i, study in studies.items() if study is not None and not study["IsStable"]]
        settled = (study for i, study in studies.items() if study is not None and i not in ageing)
        uids = dict.fromkeys(study["MainDicomTags"]["StudyInstanceUID"] for study in settled)
        not_asked = [identifier for identifier in reached.watched if identifier not in studies]
        cursor = OrthancCursor(page["Last"], (*not_asked, *ageing), looked)
        return Announcements(tuple(uids), cursor.to_json(), more=not page["Done"])

    def acknowledge(self, announcements: Announcements) -> None:
        """Make the cursor durable; see ``StudyFeed.acknowledge``."""
        cursor = OrthancCursor.from_json(announcements.cursor)
        if cursor != self._acknowledged:
            self._file.save(cursor.to_json())
            self._acknowledged = cursor
        if self._asked:
            self._ask_again_s = self._clock() + ASKED_EVERY_S

    def _next_changes(self) -> tuple[OrthancCursor, ChangesPage]:
        """Where to go on from, and the page of changes after it."""
        reached = self._acknowledged
        if reached.since is None:
            last = self._changes("last")["Last"]
            reached = OrthancCursor(last if self._from_now else 0, (), last)
        since = reached.since or 0
        page = self._changes(f"since={since}")
        if page["Last"] >= since:
            return reached, page
        # Orthanc was set up anew: its changes count from one again.
        log.warning("archive_started_anew", since=since, last=page["Last"])
        return OrthancCursor(0, reached.watched, 0), self._changes("since=0")

    def _unfollowed(self, since: int, last: int) -> list[str]:
        """Studies of instances that came between two changes, and that no StableStudy followed there."""
        stable, unfollowed, study_of = set[str](), list[str](), dict[str, str]()
        for change in reversed(list(self._changes_between(since, last))):
            if change["ChangeType"] == "StableStudy":
                stable.add(change["ID"])
            elif change["ChangeType"] == "NewInstance":
                if change["ID"] not in study_of:
                    study_of |= self._studies_around(change["ID"])
                if study_of[change["ID"]] not in stable:
                    unfollowed.append(study_of[change["ID"]])
        return [study for study in dict.fromkeys(unfollowed) if study]

    def _studies_around(self, instance: str) -> dict[str, str]:
        """The study of an instance, and of all others of its series; an empty name when it is gone."""
        parent = self._rest.get(f"/instances/{instance}") or {}
        series = self._rest.get(f"/series/{parent['ParentSeries']}") if parent else None
        if series is None:
            return {instance: ""}
        return dict.fromkeys((instance, *series["Instances"]), series["ParentStudy"])

    def _changes_between(self, since: int, last: int) -> Iterator[Change]:
        """The changes after ``since``, up to ``last`` at least."""
        while since < last:
            page = self._changes(f"since={since}")
            yield from page["Changes"]
            since = last if page["Done"] else page["Last"]

    def _changes(self, asked: str) -> ChangesPage:
        """A page of changes: ``since=`` a number, or the ``last`` one."""
        return cast("ChangesPage", self._rest.get(f"/changes?{asked}&limit={CHANGES_PAGE}"))
