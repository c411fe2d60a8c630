"""Feed of an archive without events: polls QIDO-RS."""

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
"""Studies per query. An archive may return fewer (PS3.18 8.3.4.4)."""

AT_ONCE = 50
"""Studies announced per poll; each must then be listed."""

COUNTED_AT_ONCE = 20
"""Studies counted per poll, where the archive does not state the number of instances."""

WATCHED_AT_MOST = 100
"""No further page is read while more studies wait to settle."""

Filters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StudyPage:
    """A page of matching studies.

    Args:
        counts: numbers of instances by StudyInstanceUID, None where not stated.
        n_received: rows in the response, including invalid ones.
    """

    counts: Mapping[str, int | None]
    n_received: int


class StudySearch(Protocol):
    """The queries of the feed; see ``DicomwebArchive``."""

    def search(self, filters: Filters, limit: int, offset: int) -> StudyPage:
        """Studies that match, with their numbers of instances."""
        ...

    def count(self, study_uid: str) -> int:
        """Number of instances, found by listing them."""
        ...


@dataclass(frozen=True, slots=True)
class StableCount:
    """The number of instances of a study, and since when, in seconds of the feed's clock."""

    count: int
    since_s: float


class QidoFeed:
    """Announces a study when its number of instances is stable and differs from the acknowledged one.

    Each poll reads one page, which limits the load on the archive. Pages of recent studies are read in
    rounds; after each round follows one page of all studies, which finds those that were imported late or
    state no date. A study missed because others arrived between two pages is found in the next round.

    Stability is measured by a monotonic clock, and StudyDate only decides how soon a study is found: a wrong
    clock of a scanner causes delay, never a missed study.

    A study whose query fails is dropped until a later page lists it again, and never delays others.

    Args:
        archive: to poll.
        seen: acknowledged counts.
        settle_s: seconds for which a study's count must not change.
        look_back_days: largest age of a recent StudyDate; future dates are recent too.
        older: whether to poll older studies too.
        odd: counts dropped studies.
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
        self._watched: dict[str, StableCount] = {}
        self._uncounted: deque[str] = deque()

    def poll(self) -> Announcements:
        """Read the next page and announce settled studies; see ``StudyFeed.poll``."""
        if len(self._watched) <= WATCHED_AT_MOST:
            for study_uid, count in self._seen.changed(self._next_counts()).items():
                self._observe(study_uid, count)
        due = [uid for uid, observed in self._watched.items() if self._has_settled(observed)]
        due.sort(key=lambda uid: self._watched[uid].since_s)
        counts = self._counts_of(due[:AT_ONCE], self._unchanged)
        return Announcements(tuple(counts), {"counts": counts}, more=len(due) > AT_ONCE)

    def acknowledge(self, announcements: Announcements) -> None:
        """Make the counts durable; see ``StudyFeed.acknowledge``."""
        counts = cast("dict[str, int]", announcements.cursor["counts"])
        if counts:
            self._seen.save(counts)
        for study_uid, count in counts.items():
            if study_uid in self._watched and self._watched[study_uid].count == count:
                del self._watched[study_uid]

    def _recent_filters(self) -> Filters:
        return {"StudyDate": f"{self._today() - self._look_back:%Y%m%d}-"}

    def _next_counts(self) -> dict[str, int]:
        """Counts by UID of the next page, or of some studies that have to be counted."""
        if self._uncounted:
            n_studies = min(COUNTED_AT_ONCE, len(self._uncounted))
            next_studies = (self._uncounted.popleft() for _ in range(n_studies))
            return self._counts_of(next_studies, self._archive.count)
        page = self._next_page()
        self._uncounted.extend(uid for uid, n in page.items() if n is None)
        return {uid: n for uid, n in page.items() if n is not None}

    def _next_page(self) -> Mapping[str, int | None]:
        """A page of recent studies; at the end of a round one of all studies."""
        page = self._recent.next_page()
        if not page and self._everything is not None:
            page = self._everything.next_page()
        return page

    def _counts_of(self, study_uids: Iterable[str], count_of: Callable[[str], int | None]) -> dict[str, int]:
        """Counts by ``count_of``; studies for which it fails are dropped, and zero counts omitted.

        When the archive becomes unavailable, the remaining studies are left for the next poll.

        Raises:
            TemporarilyUnavailable: already for the first study.
        """
        counts: dict[str, int] = {}
        for study_uid in study_uids:
            try:
                count = count_of(study_uid)
            except ArchiveRejected as error:
                self._drop(study_uid, error)
            except TemporarilyUnavailable as error:
                self._drop(study_uid, error)
                if not counts:
                    raise
                break
            else:
                counts |= {study_uid: count} if count else {}
        return counts

    def _drop(self, study_uid: str, error: CvaiError) -> None:
        self._watched.pop(study_uid, None)
        self._odd.note("qido", "study", error.code, study=study_uid)

    def _observe(self, study_uid: str, count: int) -> StableCount:
        """Record since when a study has this number of instances."""
        before = self._watched.get(study_uid)
        if before is None or before.count != count:
            self._watched[study_uid] = StableCount(count, self._clock())
        return self._watched[study_uid]

    def _has_settled(self, observed: StableCount) -> bool:
        return self._clock() - observed.since_s >= self._settle_s

    def _unchanged(self, study_uid: str) -> int | None:
        """The count of a due study, None where it has just changed or the study is gone."""
        page = self._archive.search({"StudyInstanceUID": study_uid}, 1, 0)
        count = page.counts.get(study_uid)
        if count is None and page.n_received:  # the filter is not supported, or the number not stated
            count = self._archive.count(study_uid)
        if not count:
            del self._watched[study_uid]
            return None
        observed = self._observe(study_uid, count)
        return observed.count if self._has_settled(observed) else None


class Rounds:
    """Pages through matching studies, round after round.

    Args:
        archive: to query.
        filters: evaluated for every page.
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
        """The next studies; empty at the end of a round, after which the next round begins.

        A short page is not the end, since archives have limits of their own. Some archives ignore ``offset``
        or wrap around: a page without new studies, or with the first one again, is the end.
        """
        page = None if self._ended else self._archive.search(self._filters(), PAGE, self._offset)
        if page is None or not page.n_received or self._is_repeated(page):
            self._restart()
            return {}
        studies = frozenset(page.counts)
        self._ended = self._start in studies
        self._start = self._start or next(iter(page.counts), "")
        self._first = self._first or studies
        self._offset, self._last = self._offset + page.n_received, studies
        return page.counts

    def _restart(self) -> None:
        self._offset, self._ended, self._start = 0, False, ""
        self._first = self._last = frozenset()

    def _is_repeated(self, page: StudyPage) -> bool:
        """Whether every study of the page was on the first page or the one before."""
        return bool(page.counts) and page.counts.keys() <= self._first | self._last
