"""The embedded archive's feed: an inbox folder that people and programs drop studies into."""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import cast

import structlog

from cvai.archive.folder.archive import FolderArchive, disk_errors
from cvai.archive.folder.obstacles import Obstacle, Obstacles
from cvai.archive.port import Announcements
from cvai.archive.seen import SeenStudies
from cvai.dicom.read.files.walk import Entry, Listing, entries_of, files_below, is_directory_name, listing_of
from cvai.files import private_folder

log = structlog.get_logger(__name__)

AT_ONCE = 5
"""Deliveries taken in at a time, and studies announced: the first are worked on while others are taken in."""

SHARE_LOOKED_OVER = 0.02
"""Of the time that goes into looking over all studies: the more there are, the rarer it is done."""

LOOKED_UP_AT_ONCE = 1000

PATIENCE = 6
"""Times ``settle_s``: a file that has changed for longer no longer holds up the loose files beside it."""

_PIECE_BYTES = 1 << 20

TRIED_AGAIN_S = 60.0
"""After this, what could not be taken in is tried again."""

Fingerprint = frozenset[tuple[Path, int, int]]
"""(path, bytes, time of change) of every file of a delivery."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """For how long something in the inbox has been as it is.

    Args:
        fingerprint: what it is like.
        since_s: when it was first seen like this.
        seen_s: when it was first seen.
    """

    fingerprint: Fingerprint
    since_s: float
    seen_s: float


class InboxFeed:
    """Takes deliveries out of an inbox into a FolderArchive, and announces every study whose folder changed.

    A delivery is one folder in the inbox, or all loose files together. It is taken once its files have stood
    still for ``settle_s``; hidden files, DICOMDIR and files called ``*.part`` or ``*.tmp`` are left alone.
    What lies behind a link is copied, and the link removed.

    Nothing in the inbox holds up the rest. A folder that cannot be taken waits alone. A loose file that
    cannot be read, or never stops changing, is left out after a while and taken when it can be. Links to
    nothing, pipes and sockets are left alone. All of it is logged and counted: see ``obstacles``.

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
        self._standing: dict[Path, _Standing] = {}
        """Of every folder, and of every loose file."""
        self._put_off: dict[Path, float] = {}
        """When to try again what could not be taken in."""
        self.obstacles = Obstacles()
        """What cannot be taken in at present."""
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
        self.obstacles.look_again()
        entries = entries_of(self._inbox, _is_left_alone, self.obstacles.meet_error)
        self._forget_all_but({entry.path for entry in entries})
        for folder in (entry.path for entry in entries if entry.is_folder):
            fingerprint = _fingerprint(_files_of(folder, self.obstacles))
            if fingerprint and self._has_settled(folder, fingerprint, now_s):
                yield folder, fingerprint
        if settled := self._settled_among(_loose(entries, self.obstacles), now_s):
            yield self._inbox, settled
        self.obstacles.log_new()

    def _forget_all_but(self, paths: set[Path]) -> None:
        self._standing = {path: s for path, s in self._standing.items() if path in paths}
        self._put_off = {path: s for path, s in self._put_off.items() if path in paths}

    def _has_settled(self, path: Path, fingerprint: Fingerprint, now_s: float) -> bool:
        """Whether something may be taken in now; what could not be taken in waits."""
        before = self._standing.get(path, _Standing(frozenset(), now_s, now_s))
        if before.fingerprint != fingerprint:
            before = replace(before, fingerprint=fingerprint, since_s=now_s)
        self._standing[path] = before
        if now_s < self._put_off.get(path, now_s):
            self.obstacles.meet_again(path)
            return False
        if now_s - before.since_s >= self._settle_s:
            return True
        if self._is_restless(path, now_s):
            self.obstacles.meet(path, "keeps changing")
        return False

    def _is_restless(self, path: Path, now_s: float) -> bool:
        """Whether something has been changing for so long that it may never stop."""
        standing = self._standing[path]
        return now_s - standing.seen_s >= PATIENCE * self._settle_s and standing.since_s > standing.seen_s

    def _settled_among(self, loose: Iterable[Path], now_s: float) -> Fingerprint:
        """What of the loose files is to be taken in together: none while others of them still arrive."""
        settled, arriving = set[tuple[Path, int, int]](), False
        for path in loose:
            fingerprint = _fingerprint([path])
            if self._has_settled(path, fingerprint, now_s):
                settled |= fingerprint
            elif path not in self._put_off:
                arriving |= not self._is_restless(path, now_s)
        return frozenset() if arriving else frozenset(settled)

    def _take(self, delivery: Path, as_settled: Fingerprint) -> bool:
        """Take a delivery in, unless it has changed since."""
        try:
            listing = self._delivered(delivery, {path for path, _, _ in as_settled})
            if _fingerprint(listing.files) != as_settled:
                return False
            self._due |= dict.fromkeys(self._archive.take_in(listing.files, listing.by_link))
        except OSError as error:
            # One delivery that cannot be read or moved must not hold up the others; it stays where it is.
            self._put_off_all(delivery, [path for path, _, _ in as_settled], error)
            return False
        for path in listing.by_link:
            _remove_link(path, delivery)
        if delivery != self._inbox:
            _remove_empty_folders(delivery)
        return True

    def _delivered(self, delivery: Path, settled: set[Path]) -> Listing:
        """What is there of a delivery now; of the loose files those that had settled, unless others came."""
        if delivery != self._inbox:
            listing = files_below(delivery, _is_left_alone)
            return replace(listing, by_link=frozenset(listing.files)) if delivery.is_symlink() else listing
        entries = entries_of(self._inbox, _is_left_alone, self.obstacles.meet_error)
        loose = [entry for entry in entries if entry.is_file]
        if any(entry.path not in self._standing for entry in loose):
            return Listing(())
        return listing_of(entry for entry in loose if entry.path in settled)

    def _put_off_all(self, delivery: Path, files: list[Path], error: OSError) -> None:
        """Leave a delivery alone for a while; of loose files those that cannot be read, if that is why."""
        reason = error.strerror or type(error).__name__
        unreadable = [path for path in files if not _can_be_read(path)]
        those = (unreadable or files) if delivery == self._inbox else [delivery]
        for path in those:
            self._put_off[path] = self._clock() + TRIED_AGAIN_S
            self.obstacles.meet(path, reason, files=len(files), unreadable=len(unreadable))
        self.obstacles.log_new()


def _some_at_once(changes: Iterator[tuple[str, int]]) -> Iterator[dict[str, int]]:
    while some := dict(islice(changes, LOOKED_UP_AT_ONCE)):
        yield some


def obstacles_in(inbox: Path) -> tuple[Obstacle, ...]:
    """What in an inbox cannot be taken in, as far as one look shows it; no bytes are read.

    Raises:
        OSError: the inbox itself cannot be looked into.
    """
    obstacles = Obstacles()
    entries = entries_of(inbox, _is_left_alone, obstacles.meet_error)
    folders = [path for entry in entries if entry.is_folder for path in _files_of(entry.path, obstacles)]
    for path in (*folders, *_loose(entries, obstacles)):
        if not os.access(path, os.R_OK):
            obstacles.meet(path, os.strerror(errno.EACCES))
    return obstacles.present


def _files_of(folder: Path, obstacles: Obstacles) -> tuple[Path, ...]:
    """The files of a folder; none where it cannot be looked into."""
    try:
        listing = files_below(folder, _is_left_alone)
    except FileNotFoundError:
        return ()  # being renamed by its writer: the next look sees it
    except OSError as error:
        obstacles.meet_error(folder, error)
        return ()
    return _met(listing, obstacles)


def _loose(entries: Iterable[Entry], obstacles: Obstacles) -> tuple[Path, ...]:
    """Files that lie in the inbox itself."""
    return _met(listing_of(entry for entry in entries if not entry.is_folder), obstacles)


def _met(listing: Listing, obstacles: Obstacles) -> tuple[Path, ...]:
    for path in listing.dangling:
        obstacles.meet(path, "link to nothing")
    for path in listing.special:
        obstacles.meet(path, "no file")
    return listing.files


def _is_left_alone(name: str) -> bool:
    return name.startswith(".") or is_directory_name(name) or Path(name).suffix in (".part", ".tmp")


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
    for folder, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):  # it is not empty: left alone, or just being delivered to again
            Path(folder).rmdir()


def _can_be_read(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            while file.read(_PIECE_BYTES):
                pass
    except OSError:
        return False
    return True


def _remove_link(path: Path, delivery: Path) -> None:
    """Remove the link on the way to a file that was copied; what it leads to is others'."""
    inner = [path, *path.parents]
    for place in inner[: inner.index(delivery) + 1]:
        if place.is_symlink():
            place.unlink()
