"""The feed of an archive that tells of no events: it is asked by QIDO-RS, over and over, what it holds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol, cast

from cvai.archive.odd import OddAnswers
from cvai.archive.port import Announcements
from cvai.archive.seen import SeenStudies
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable

PAGE = 500
"""Studies asked for at a time. An archive may answer with fewer (PS3.18 8.3.4.4)."""

AT_ONCE = 50
"""Studies announced at a time; each must then be listed."""

COUNTED_AT_ONCE = 20
"""Studies whose instances are listed at a time, where an archive does not tell their number."""

WATCHED_AT_MOST = 100
"""No further page is read while more studies than these wait to settle."""

Filters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StudyPage:
    """Some of the studies that match.

    Args:
        counts: numbers of instances by StudyInstanceUID, None where the archive does not tell.
        n_received: rows in the answer, those included that made no sense.
    """

    counts: Mapping[str, int | None]
    n_received: int


class StudySearch(Protocol):
    """What the feed asks of a DICOMweb archive; see ``DicomwebArchive``."""

    def search(self, filters: Filters, limit: int, offset: int) -> StudyPage:
        """Studies that match, with their numbers of instances."""
        ...

    def count(self, study_uid: str) -> int:
        """How many instances a study has, found by listing them."""
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

    A study that the archive cannot be asked about is put aside, until a later page shows it again: it never
    holds up others.

    Args:
        archive: what is asked.
        seen: counts that have been acknowledged.
        settle_s: seconds for which a study's count must not change.
        look_back_days: how old a StudyDate counts as recent; dates in the future always do.
        older: look at older studies too.
        odd: told of studies that are put aside.
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
        odd: OddAnswers | None = None,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], date] = date.today,
    ) -> None:
        self._archive = archive
        self._seen = seen
        self._settle_s = settle_s
        self._look_back = timedelta(days=look_back_days)
        self._odd = odd or OddAnswers()
        self._clock = clock
        self._today = today
        self._recent = Rounds(archive, self._recent_filters)
        self._everything = Rounds(archive, dict) if older else None
        self._watched: dict[str, Standing] = {}
        self._uncounted: deque[str] = deque()

    def poll(self) -> Announcements:
        """Read the next page, and tell which studies stand still; see ``StudyFeed.poll``."""
        if len(self._watched) <= WATCHED_AT_MOST:
            for study_uid, count in self._seen.changed(self._next_counts()).items():
                self._observe(study_uid, count)
        due = [uid for uid, standing in self._watched.items() if self._has_stood(standing)]
        due.sort(key=lambda uid: self._watched[uid].since_s)
        told = self._asked_alone(due[:AT_ONCE], self._unchanged)
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

    def _next_counts(self) -> dict[str, int]:
        """Counts of the next studies by UID: those of a page, or some that have to be counted."""
        if self._uncounted:
            n_studies = min(COUNTED_AT_ONCE, len(self._uncounted))
            next_studies = (self._uncounted.popleft() for _ in range(n_studies))
            return self._asked_alone(next_studies, self._archive.count)
        page = self._next_page()
        self._uncounted.extend(uid for uid, n in page.items() if n is None)
        return {uid: n for uid, n in page.items() if n is not None}

    def _next_page(self) -> Mapping[str, int | None]:
        """A page of recent studies; at the end of a round one of everything."""
        page = self._recent.next_page()
        if not page and self._everything is not None:
            page = self._everything.next_page()
        return page

    def _asked_alone(self, study_uids: Iterable[str], ask: Callable[[str], int | None]) -> dict[str, int]:
        """The counts of studies that are asked about one by one; one that cannot be is put aside.

        Where the archive does not answer about one, the others are left for the next time.

        Raises:
            TemporarilyUnavailable: it does not answer about the first.
        """
        counts: dict[str, int] = {}
        for study_uid in study_uids:
            try:
                count = ask(study_uid)
            except ArchiveRejected as error:
                self._put_aside(study_uid, error)
            except TemporarilyUnavailable as error:
                self._put_aside(study_uid, error)
                if not counts:
                    raise
                break
            else:
                counts |= {study_uid: count} if count else {}
        return counts

    def _put_aside(self, study_uid: str, error: CvaiError) -> None:
        self._watched.pop(study_uid, None)
        self._odd.note("qido", "study", error.code, study=study_uid)

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
        page = self._archive.search({"StudyInstanceUID": study_uid}, 1, 0)
        count = page.counts.get(study_uid)
        if count is None and page.n_received:  # it does not know this filter, or tells no number
            count = self._archive.count(study_uid)
        if not count:
            del self._watched[study_uid]
            return None
        standing = self._observe(study_uid, count)
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
        self._ended = False
        self._start = ""
        self._first: frozenset[str] = frozenset()
        self._last: frozenset[str] = frozenset()

    def next_page(self) -> Mapping[str, int | None]:
        """The next studies; none where the round has come to its end, after which it begins again.

        A page shorter than asked for is not the last, since archives have limits of their own. But there are
        archives that do not know ``offset``, or begin again behind the end: a page without anything new is
        the end, and so is one in which the first study comes again.
        """
        page = None if self._ended else self._archive.search(self._filters(), PAGE, self._offset)
        if page is None or not page.n_received or self._is_repeated(page):
            self._begin_again()
            return {}
        studies = frozenset(page.counts)
        self._ended = self._start in studies
        self._start = self._start or next(iter(page.counts), "")
        self._first = self._first or studies
        self._offset, self._last = self._offset + page.n_received, studies
        return page.counts

    def _begin_again(self) -> None:
        self._offset, self._ended, self._start = 0, False, ""
        self._first = self._last = frozenset()

    def _is_repeated(self, page: StudyPage) -> bool:
        """Whether every study of the page was on the first page or the one before."""
        return bool(page.counts) and page.counts.keys() <= self._first | self._last
