"""The feed of an archive that tells of no events: it is asked by QIDO-RS, over and over, what it holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol, cast

from cvai.archive.content import StudyCount
from cvai.archive.port import Announcements
from cvai.archive.seen import SeenStudies

PAGE = 500
"""Studies asked for at a time. An archive may answer with fewer (PS3.18 8.3.4.4)."""

AT_ONCE = 50
"""Studies announced at a time; each must then be listed."""

WATCHED_AT_MOST = 100
"""No further page is read while more studies than these wait to settle."""

Filters = Mapping[str, str]


class StudySearch(Protocol):
    """What the feed asks of a DICOMweb archive; see ``DicomwebArchive``."""

    def search(self, filters: Filters, limit: int, offset: int) -> tuple[StudyCount, ...]:
        """Studies that match, with their numbers of instances."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How many instances a study has, and since when, in seconds of the feed's clock."""

    count: int
    since_s: float


class QidoFeed:
    """Announces a study when its number of instances has stood still, and differs from what was told before.

    One page of studies is asked for at a poll, so the archive is never pressed. Pages of recent studies are
    read in rounds; after each round follows one page of everything, which finds studies that were imported
    long after they were acquired or that state no date. A round that misses a study, since others arrived
    while its pages were read, is followed by the next.

    Times of day decide nothing here: how long a count has stood still is measured by this process's own
    steady clock, and a study's date only decides how soon it is looked at. A scanner whose clock is wrong
    costs time, not studies.

    Args:
        archive: what is asked.
        seen: counts that have been acknowledged.
        settle_s: seconds for which a study's count must not change.
        look_back_days: how old a StudyDate counts as recent; dates in the future always do.
        older: look at older studies too.
        clock: monotonic time in seconds.
        today: the local date.
    """

    def __init__(
        self,
        archive: StudySearch,
        seen: SeenStudies,
        *,
        settle_s: float,
        look_back_days: int,
        older: bool,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = date.today,
    ) -> None:
        self._archive = archive
        self._seen = seen
        self._settle_s = settle_s
        self._look_back = timedelta(days=look_back_days)
        self._clock = clock
        self._today = today
        self._recent = Rounds(archive, self._recent_filters)
        self._everything = Rounds(archive, dict) if older else None
        self._watched: dict[str, Standing] = {}

    def poll(self) -> Announcements:
        """Read the next page, and tell which studies stand still; see ``StudyFeed.poll``."""
        if len(self._watched) <= WATCHED_AT_MOST:
            for study_uid, count in self._seen.changed(self._next_page()).items():
                self._observe(study_uid, count)
        due = [uid for uid, standing in self._watched.items() if self._has_stood(standing)]
        due.sort(key=lambda uid: self._watched[uid].since_s)
        told = {uid: n for uid in due[:AT_ONCE] if (n := self._unchanged(uid)) is not None}
        return Announcements(tuple(told), {"counts": told}, more=len(due) > AT_ONCE)

    def acknowledge(self, announcements: Announcements) -> None:
        """Make the counts durable; see ``StudyFeed.acknowledge``."""
        told = cast("dict[str, int]", announcements.cursor["counts"])
        if told:
            self._seen.save(told)
        for study_uid, count in told.items():
            if study_uid in self._watched and self._watched[study_uid].count == count:
                del self._watched[study_uid]

    def _recent_filters(self) -> Filters:
        return {"StudyDate": f"{self._today() - self._look_back:%Y%m%d}-"}

    def _next_page(self) -> dict[str, int]:
        """Counts of the next studies by UID; at the end of a round some of everything."""
        page = self._recent.next_page()
        if not page and self._everything is not None:
            page = self._everything.next_page()
        return {study.study_uid: study.n_instances for study in page}

    def _observe(self, study_uid: str, count: int) -> Standing:
        """Remember since when a study has this many instances."""
        before = self._watched.get(study_uid)
        if before is None or before.count != count:
            self._watched[study_uid] = Standing(count, self._clock())
        return self._watched[study_uid]

    def _has_stood(self, standing: Standing) -> bool:
        return self._clock() - standing.since_s >= self._settle_s

    def _unchanged(self, study_uid: str) -> int | None:
        """The count of a study that was due, None where it has just changed or the study is gone."""
        found = self._archive.search({"StudyInstanceUID": study_uid}, 1, 0)
        if not found:
            del self._watched[study_uid]
            return None
        standing = self._observe(study_uid, found[0].n_instances)
        return standing.count if self._has_stood(standing) else None


class Rounds:
    """Pages through what matches, again and again.

    Args:
        archive: what is asked.
        filters: told anew for every page.
    """

    def __init__(self, archive: StudySearch, filters: Callable[[], Filters]) -> None:
        self._archive = archive
        self._filters = filters
        self._offset = 0
        self._last: Sequence[StudyCount] = ()

    def next_page(self) -> Sequence[StudyCount]:
        """The next studies; none where the round has come to its end, after which it begins again.

        A page shorter than asked for is not the last, since archives have limits of their own. The same page
        twice is the end too: there are archives that do not know ``offset``.
        """
        page = self._archive.search(self._filters(), PAGE, self._offset)
        if not page or page == self._last:
            self._offset, self._last = 0, ()
            return ()
        self._offset, self._last = self._offset + len(page), page
        return page
