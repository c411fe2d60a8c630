"""The embedded archive's feed: an inbox folder that people and programs drop studies into."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import cast

import structlog

from cvai.archive.folder import FolderArchive, disk_errors
from cvai.archive.port import Announcements
from cvai.archive.seen import SeenStudies
from cvai.files import private_folder

log = structlog.get_logger(__name__)

AT_ONCE = 5
"""Deliveries taken in at a time, and studies announced: the first are worked on while others are taken in."""

SHARE_LOOKED_OVER = 0.02
"""Of the time that goes into looking over all studies: the more there are, the rarer it is done."""

LOOKED_UP_AT_ONCE = 1000

Fingerprint = frozenset[tuple[Path, int, int]]
"""(path, bytes, time of change) of every file of a delivery."""


class InboxFeed:
    """Takes deliveries out of an inbox into a FolderArchive, and announces every study whose folder changed.

    A delivery is one folder in the inbox, or all loose files together. It is taken once its files have stood
    still for ``settle_s``; hidden files, DICOMDIR and files called ``*.part`` or ``*.tmp`` are left alone.

    What was delivered is announced at once. What else has changed in the archive, by hand or before a crash,
    is found by looking over all of its folders, as often as their number allows. So a crash at any moment
    loses nothing: files still in the inbox settle again, and a study folder that was touched but not
    acknowledged is announced again.

    Args:
        inbox: watched folder; made when missing.
        archive: where the deliveries go.
        seen: when each study's folder had last changed as it was acknowledged.
        settle_s: seconds for which a delivery must not change.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        inbox: Path,
        archive: FolderArchive,
        seen: SeenStudies,
        settle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inbox = inbox
        self._archive = archive
        self._seen = seen
        self._settle_s = settle_s
        self._clock = clock
        self._standing: dict[Path, tuple[Fingerprint, float]] = {}
        self._settled: deque[tuple[Path, Fingerprint]] = deque()
        """Deliveries to be taken in, in the order they were found in."""
        self._due: dict[str, None] = {}
        """Studies to be announced, the longest settled first."""
        self._looks_over_at_s = clock()

    @disk_errors()
    def poll(self) -> Announcements:
        """Take in what has settled and tell which studies changed; see ``StudyFeed.poll``."""
        if not self._inbox.exists():
            private_folder(self._inbox)
        full = self._take_settled()
        if self._clock() >= self._looks_over_at_s:
            self._look_over()
        told = {}
        for study_uid in list(islice(self._due, AT_ONCE)):
            if (changed_ns := self._archive.changed_ns(study_uid)) is None:
                del self._due[study_uid]
            else:
                told[study_uid] = changed_ns
        return Announcements(tuple(told), told, more=full or len(self._due) > len(told))

    def acknowledge(self, announcements: Announcements) -> None:
        """Remember what was told; see ``StudyFeed.acknowledge``."""
        if told := cast("dict[str, int]", announcements.cursor):
            self._seen.save(told)
        for study_uid in told:
            self._due.pop(study_uid, None)

    def _look_over(self) -> None:
        """Find every study whose folder has changed since it was acknowledged."""
        begun_s = self._clock()
        changed = dict[str, int]()
        for studies in _some_at_once(self._archive.changes()):
            changed |= self._seen.changed(studies)
        self._due |= dict.fromkeys(sorted(changed, key=changed.__getitem__))
        ended_s = self._clock()
        self._looks_over_at_s = ended_s + (ended_s - begun_s) / SHARE_LOOKED_OVER

    def _take_settled(self) -> bool:
        """Take in up to AT_ONCE deliveries, besides those that cannot be; True when others may be left."""
        if not self._settled:
            self._settled.extend(self._settled_deliveries())
        taken = 0
        while self._settled and taken < AT_ONCE:
            taken += self._take(*self._settled.popleft())
        return taken == AT_ONCE

    def _settled_deliveries(self) -> Iterator[tuple[Path, Fingerprint]]:
        """Deliveries that have not changed for ``settle_s``; to look over a full inbox takes a while."""
        now_s = self._clock()
        standing: dict[Path, tuple[Fingerprint, float]] = {}
        for delivery in _deliveries(self._inbox):
            if not (fingerprint := _fingerprint(_files(delivery, self._inbox))):
                continue
            before, since_s = self._standing.get(delivery, (None, now_s))
            standing[delivery] = (fingerprint, since_s if before == fingerprint else now_s)
            if now_s - standing[delivery][1] >= self._settle_s:
                yield delivery, fingerprint
        self._standing = standing

    def _take(self, delivery: Path, as_settled: Fingerprint) -> bool:
        """Take a delivery in, unless it has changed since."""
        files = _files(delivery, self._inbox)
        if _fingerprint(files) != as_settled:
            return False
        try:
            self._due |= dict.fromkeys(self._archive.take_in(files))
        except OSError as error:
            # One delivery that cannot be read or moved must not hold up the others; it stays where it is.
            log.error("delivery_not_taken", reason=error.strerror, files=len(files))
            return False
        if delivery != self._inbox:
            _remove_empty_folders(delivery)
        return True


def _some_at_once(changes: Iterator[tuple[str, int]]) -> Iterator[dict[str, int]]:
    while some := dict(islice(changes, LOOKED_UP_AT_ONCE)):
        yield some


def _deliveries(inbox: Path) -> list[Path]:
    """The folders in the inbox, and the inbox itself for what lies loose in it."""
    return [*sorted(p for p in inbox.iterdir() if p.is_dir() and not p.name.startswith(".")), inbox]


def _files(delivery: Path, inbox: Path) -> list[Path]:
    """A delivery's files in order."""
    paths = delivery.iterdir() if delivery == inbox else delivery.rglob("*")
    return sorted(p for p in paths if p.is_file() and not _is_left_alone(p.relative_to(delivery)))


def _is_left_alone(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or path.name.upper() == "DICOMDIR" or path.suffix in (".part", ".tmp")


def _fingerprint(files: Iterable[Path]) -> Fingerprint:
    entries = set()
    for path in files:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # renamed by its writer since the folder was listed: the next look sees it
        entries.add((path, status.st_size, status.st_mtime_ns))
    return frozenset(entries)


def _remove_empty_folders(top: Path) -> None:
    folders = [top, *(p for p in top.rglob("*") if p.is_dir())]
    for folder in sorted(folders, reverse=True):
        with suppress(OSError):  # it is not empty: left alone, or just being delivered to again
            folder.rmdir()
