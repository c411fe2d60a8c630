"""Orthanc: its DICOMweb plugin as the archive, its list of changes as the feed."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import requests
import structlog

from cvai.archive.content import InstanceReference
from cvai.archive.cursor import KeptCursor
from cvai.archive.dicomweb.archive import DicomwebArchive
from cvai.archive.foreign_json import part, parts
from cvai.archive.orthanc.json import (
    NEW_INSTANCE,
    NEW_STUDY,
    STABLE,
    Change,
    ChangesPage,
    OrthancInstance,
    OrthancSeries,
    OrthancStudy,
    System,
)
from cvai.archive.orthanc.rest import OrthancRest
from cvai.archive.port import Announcements, ArchiveProbe, Cursor
from cvai.archive.traits import SENDER, StudyTraits
from cvai.errors import ArchiveRejected, ConfigurationInvalid, TemporarilyUnavailable

log = structlog.get_logger(__name__)

ASKED_EVERY_S = 5.0
"""Interval of queries for studies that Orthanc has not reported as stable."""


@dataclass(frozen=True, slots=True)
class OrthancCursor:
    """How far Orthanc's changes have been read.

    Args:
        since: number of the last change read; None before the first.
        watched: Orthanc identifiers of studies that are not stable yet.
        looked: change number up to which the studies of all new instances are watched.
    """

    since: int | None
    watched: tuple[str, ...]
    looked: int

    @classmethod
    def from_json(cls, cursor: Cursor) -> OrthancCursor:
        """Inverse of ``to_json``; the initial cursor from an empty mapping."""
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


class OrthancArchive(DicomwebArchive):
    """Orthanc with its DICOMweb plugin.

    Args:
        rest: Orthanc's own API.
        session: carries the credentials.
        timeout_s: for connecting and between two pieces of a response.
        dicomweb_path: root of the plugin (``DicomWeb.Root`` in Orthanc's configuration).
    """

    def __init__(
        self, rest: OrthancRest, session: requests.Session, timeout_s: float, dicomweb_path: str
    ) -> None:
        root = f"{rest.url}/{dicomweb_path.strip('/')}"
        super().__init__(root, session, timeout_s, rest.limits, rest.odd)
        self._rest = rest

    def _instances(self, study_uid: str) -> tuple[InstanceReference, ...]:
        """List instances by the plugin, with Orthanc's file names as fingerprints."""
        files = self._rest.files(study_uid)
        return tuple(
            replace(instance, fingerprint=files.get(instance.sop_instance_uid, ""))
            for instance in super()._instances(study_uid)
        )

    def traits(self, study_uid: str) -> StudyTraits:
        """Query the series by the plugin, the sender by Orthanc's API; see ``Archive.traits``."""
        sender = frozenset({self._rest.sender(study_uid)} - {""})
        return StudyTraits({**super().traits(study_uid).values, SENDER: sender})

    def probe(self) -> ArchiveProbe:
        """Query both the plugin and Orthanc's API; see ``Archive.probe``."""
        detail = super().probe().detail
        system = self._rest.resource("/system", System) or System()
        return ArchiveProbe(detail=f"Orthanc {system.version}, {detail}", clock=self._rest.now())


class OrthancFeed:
    """Announces a study when Orthanc reports it as stable: nothing new received for its ``StableAge``.

    Orthanc keeps the age of studies in memory: after a restart within that time no StableStudy change
    follows. So studies with new instances and no such change are queried every few seconds until they are
    stable or gone.

    Args:
        rest: Orthanc's own API.
        cursor: see ``OrthancCursor``.
        from_now: at the very first start, skip existing studies.
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
        touched = [c.identifier for c in self._made_sense(page) if c.kind in (NEW_STUDY, STABLE)]
        looked = reached.looked
        self._asked = self._clock() >= self._ask_again_s
        if self._asked:
            touched += [*reached.watched, *self._unfollowed(looked, page.last)]
            looked = max(looked, page.last)
        settled, ageing = self._looked_up(dict.fromkeys(touched))
        uids = dict.fromkeys(study.tags.study_uid for study in settled)
        not_asked = [identifier for identifier in reached.watched if identifier not in touched]
        cursor = OrthancCursor(page.last, (*not_asked, *ageing), looked)
        more = not page.done and page.last > (reached.since or 0)
        return Announcements(tuple(uids), cursor.to_json(), more=more)

    def acknowledge(self, announcements: Announcements) -> None:
        """Make the cursor durable; see ``StudyFeed.acknowledge``."""
        cursor = OrthancCursor.from_json(announcements.cursor)
        if cursor != self._acknowledged:
            self._file.save(cursor.to_json())
            self._acknowledged = cursor
        if self._asked:
            self._ask_again_s = self._clock() + ASKED_EVERY_S

    def _next_changes(self) -> tuple[OrthancCursor, ChangesPage]:
        """The cursor to resume from, and the page of changes after it."""
        reached = self._acknowledged
        if reached.since is None:
            last = self._rest.changes("last").last
            reached = OrthancCursor(last if self._from_now else 0, (), last)
        since = reached.since or 0
        page = self._rest.changes(f"since={since}")
        if page.last >= since:
            return reached, page
        # Orthanc has a new database: its changes count from one again.
        log.warning("archive_started_anew", since=since, last=page.last)
        return OrthancCursor(0, reached.watched, 0), self._rest.changes("since=0")

    def _looked_up(self, identifiers: Iterable[str]) -> tuple[list[OrthancStudy], list[str]]:
        """Settled studies, and the identifiers to query again.

        A study for which Orthanc does not answer moves to the end, so that it does not delay others.
        """
        settled: list[OrthancStudy] = []
        again: list[str] = []
        waiting = deque(identifiers)
        while waiting:
            identifier = waiting.popleft()
            try:
                value = self._rest.value(f"/studies/{identifier}")
            except ArchiveRejected as error:
                self._rest.odd.note("orthanc", "study", error.code)
                again.append(identifier)
                continue
            except TemporarilyUnavailable as error:
                self._rest.odd.note("orthanc", "study", error.code)
                return settled, [*again, *waiting, identifier]
            if value is not None:
                study = part(value, OrthancStudy, self._rest.odd, "orthanc")
                if study is not None and study.is_stable:
                    settled.append(study)
                else:
                    again.append(identifier)
        return settled, again

    def _made_sense(self, page: ChangesPage) -> list[Change]:
        return list(parts(page.changes, Change, self._rest.odd, "orthanc"))

    def _unfollowed(self, since: int, last: int) -> list[str]:
        """Studies of instances received between two changes without a later StableStudy among them."""
        stable, unfollowed, study_of = set[str](), list[str](), dict[str, str]()
        for change in reversed(list(self._changes_between(since, last))):
            if change.kind == STABLE:
                stable.add(change.identifier)
            elif change.kind == NEW_INSTANCE:
                if change.identifier not in study_of:
                    study_of |= self._studies_around(change.identifier)
                if study_of[change.identifier] not in stable:
                    unfollowed.append(study_of[change.identifier])
        return [study for study in dict.fromkeys(unfollowed) if study]

    def _studies_around(self, instance: str) -> dict[str, str]:
        """The study of an instance and of all others in its series; empty where unknown."""
        try:
            series = self._series_of(instance)
        except (ArchiveRejected, TemporarilyUnavailable) as error:
            if error.code == "archive_unreachable":
                raise
            self._rest.odd.note("orthanc", "instance", error.code)
            series = None
        if series is None:
            return {instance: ""}
        return dict.fromkeys((instance, *series.instances), series.study)

    def _series_of(self, instance: str) -> OrthancSeries | None:
        parent = self._rest.resource(f"/instances/{instance}", OrthancInstance)
        return None if parent is None else self._rest.resource(f"/series/{parent.series}", OrthancSeries)

    def _changes_between(self, since: int, last: int) -> Iterator[Change]:
        """The changes after ``since``, at least up to ``last`` where they exist."""
        while since < last:
            page = self._rest.changes(f"since={since}")
            yield from self._made_sense(page)
            since = page.last if since < page.last and not page.done else last
