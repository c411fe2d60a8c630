"""Feed of the embedded archive: an inbox folder for deliveries."""

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
"""Deliveries and announcements per poll, so that analysis of the first starts while others are imported."""

SCAN_SHARE = 0.02
"""Share of time for scanning all studies: the more there are, the less often they are scanned."""

LOOKUP_BATCH = 1000

SETTLE_PATIENCE = 6
"""Multiple of ``settle_s`` after which a file that keeps changing no longer delays other loose files."""

_PIECE_BYTES = 1 << 20

RETRY_AFTER_S = 60.0
"""Wait before a failed delivery is tried again."""

Fingerprint = frozenset[tuple[Path, int, int]]
"""(path, bytes, time of change) of every file of a delivery."""


@dataclass(frozen=True, slots=True)
class _Observed:
    """State of a folder or loose file in the inbox.

    Args:
        fingerprint: its current state.
        since_s: when this state was first seen.
        seen_s: when it was first seen.
    """

    fingerprint: Fingerprint
    since_s: float
    seen_s: float


class InboxFeed:
    """Moves deliveries from an inbox into a FolderArchive, and announces every study whose folder changed.

    A delivery is one folder in the inbox, or all loose files together. It is imported once its files have not
    changed for ``settle_s``; hidden files, DICOMDIR, ``*.part`` and ``*.tmp`` are ignored. Targets of links
    are copied, and the link is removed.

    No item delays the others: a folder that cannot be imported waits alone, and a loose file that cannot be
    read or keeps changing is skipped until it can be imported. Dangling links, pipes and sockets are ignored.
    All of these are logged and counted, see ``obstacles``.

    Deliveries are announced at once; other changes in the archive, manual or before a crash, are found by
    scanning its folders. A crash loses nothing: files still in the inbox settle again, and a changed study
    folder that was not acknowledged is announced again.

    Args:
        inbox: watched folder; created when missing.
        archive: receives the deliveries.
        seen: acknowledged times of change of study folders.
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
        self._observed: dict[Path, _Observed] = {}
        """By folder and loose file."""
        self._deferred: dict[Path, float] = {}
        """When to retry failed deliveries."""
        self.obstacles = Obstacles()
        """Items that currently cannot be imported."""
        self._settled: deque[tuple[Path, Fingerprint]] = deque()
        """Deliveries to import, in the order they were found."""
        self._due: dict[str, None] = {}
        """Studies to be announced, the longest settled first."""
        self._next_scan_s = clock()

    @disk_errors()
    def poll(self) -> Announcements:
        """Import settled deliveries and announce changed studies; see ``StudyFeed.poll``."""
        if not self._inbox.exists():
            private_folder(self._inbox)
        full = self._take_settled()
        if self._clock() >= self._next_scan_s:
            self._scan_archive()
        announced = {}
        for study_uid in list(islice(self._due, AT_ONCE)):
            if (changed_ns := self._archive.changed_ns(study_uid)) is None:
                del self._due[study_uid]
            else:
                announced[study_uid] = changed_ns
        return Announcements(tuple(announced), announced, more=full or len(self._due) > len(announced))

    def acknowledge(self, announcements: Announcements) -> None:
        """Record the announced states; see ``StudyFeed.acknowledge``."""
        if announced := cast("dict[str, int]", announcements.cursor):
            self._seen.save(announced)
        for study_uid in announced:
            self._due.pop(study_uid, None)

    def _scan_archive(self) -> None:
        """Find every study whose folder has changed since it was acknowledged."""
        started_s = self._clock()
        changed = dict[str, int]()
        for studies in _batches(self._archive.changes()):
            changed |= self._seen.changed(studies)
        self._due |= dict.fromkeys(sorted(changed, key=changed.__getitem__))
        ended_s = self._clock()
        self._next_scan_s = ended_s + (ended_s - started_s) / SCAN_SHARE

    def _take_settled(self) -> bool:
        """Import up to AT_ONCE deliveries; True when others may be left."""
        if not self._settled:
            self._settled.extend(self._settled_deliveries())
        taken = 0
        while self._settled and taken < AT_ONCE:
            taken += self._take(*self._settled.popleft())
        return taken == AT_ONCE

    def _settled_deliveries(self) -> Iterator[tuple[Path, Fingerprint]]:
        """Deliveries that have not changed for ``settle_s``."""
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
        self._observed = {path: s for path, s in self._observed.items() if path in paths}
        self._deferred = {path: s for path, s in self._deferred.items() if path in paths}

    def _has_settled(self, path: Path, fingerprint: Fingerprint, now_s: float) -> bool:
        """Whether an item has settled and is not deferred."""
        before = self._observed.get(path, _Observed(frozenset(), now_s, now_s))
        if before.fingerprint != fingerprint:
            before = replace(before, fingerprint=fingerprint, since_s=now_s)
        self._observed[path] = before
        if now_s < self._deferred.get(path, now_s):
            self.obstacles.meet_again(path)
            return False
        if now_s - before.since_s >= self._settle_s:
            return True
        if self._keeps_changing(path, now_s):
            self.obstacles.meet(path, "keeps changing")
        return False

    def _keeps_changing(self, path: Path, now_s: float) -> bool:
        """Whether an item has been changing for so long that it may never settle."""
        item = self._observed[path]
        return now_s - item.seen_s >= SETTLE_PATIENCE * self._settle_s and item.since_s > item.seen_s

    def _settled_among(self, loose: Iterable[Path], now_s: float) -> Fingerprint:
        """The loose files to import together; empty while others are still arriving."""
        settled, arriving = set[tuple[Path, int, int]](), False
        for path in loose:
            fingerprint = _fingerprint([path])
            if self._has_settled(path, fingerprint, now_s):
                settled |= fingerprint
            elif path not in self._deferred:
                arriving |= not self._keeps_changing(path, now_s)
        return frozenset() if arriving else frozenset(settled)

    def _take(self, delivery: Path, as_settled: Fingerprint) -> bool:
        """Import a delivery unless it has changed since; False if not imported."""
        try:
            listing = self._delivered(delivery, {path for path, _, _ in as_settled})
            if _fingerprint(listing.files) != as_settled:
                return False
            self._due |= dict.fromkeys(self._archive.take_in(listing.files, listing.by_link))
        except OSError as error:
            # A delivery that cannot be read or moved must not delay the others; it stays in the inbox.
            self._defer(delivery, [path for path, _, _ in as_settled], error)
            return False
        for path in listing.by_link:
            _remove_link(path, delivery)
        if delivery != self._inbox:
            _remove_empty_folders(delivery)
        return True

    def _delivered(self, delivery: Path, settled: set[Path]) -> Listing:
        """Current files of a delivery; of loose files the settled ones, none if new files have arrived."""
        if delivery != self._inbox:
            listing = files_below(delivery, _is_left_alone)
            return replace(listing, by_link=frozenset(listing.files)) if delivery.is_symlink() else listing
        entries = entries_of(self._inbox, _is_left_alone, self.obstacles.meet_error)
        loose = [entry for entry in entries if entry.is_file]
        if any(entry.path not in self._observed for entry in loose):
            return Listing(())
        return listing_of(entry for entry in loose if entry.path in settled)

    def _defer(self, delivery: Path, files: list[Path], error: OSError) -> None:
        """Defer a delivery; of loose files only the unreadable ones, if there are any."""
        reason = error.strerror or type(error).__name__
        unreadable = [path for path in files if not _can_be_read(path)]
        deferred = (unreadable or files) if delivery == self._inbox else [delivery]
        for path in deferred:
            self._deferred[path] = self._clock() + RETRY_AFTER_S
            self.obstacles.meet(path, reason, files=len(files), unreadable=len(unreadable))
        self.obstacles.log_new()


def _batches(changes: Iterator[tuple[str, int]]) -> Iterator[dict[str, int]]:
    while batch := dict(islice(changes, LOOKUP_BATCH)):
        yield batch


def obstacles_in(inbox: Path) -> tuple[Obstacle, ...]:
    """Items in an inbox that cannot be imported, judged by metadata alone.

    Raises:
        OSError: the inbox cannot be listed.
    """
    obstacles = Obstacles()
    entries = entries_of(inbox, _is_left_alone, obstacles.meet_error)
    folders = [path for entry in entries if entry.is_folder for path in _files_of(entry.path, obstacles)]
    for path in (*folders, *_loose(entries, obstacles)):
        if not os.access(path, os.R_OK):
            obstacles.meet(path, os.strerror(errno.EACCES))
    return obstacles.present


def _files_of(folder: Path, obstacles: Obstacles) -> tuple[Path, ...]:
    """The files of a folder; empty where it cannot be listed."""
    try:
        listing = files_below(folder, _is_left_alone)
    except FileNotFoundError:
        return ()  # renamed concurrently: found at the next poll
    except OSError as error:
        obstacles.meet_error(folder, error)
        return ()
    return _without_obstacles(listing, obstacles)


def _loose(entries: Iterable[Entry], obstacles: Obstacles) -> tuple[Path, ...]:
    """Files directly in the inbox."""
    return _without_obstacles(listing_of(entry for entry in entries if not entry.is_folder), obstacles)


def _without_obstacles(listing: Listing, obstacles: Obstacles) -> tuple[Path, ...]:
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
            continue  # renamed since the folder was listed: found at the next poll
        entries.add((path, status.st_size, status.st_mtime_ns))
    return frozenset(entries)


def _remove_empty_folders(top: Path) -> None:
    for folder, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):  # not empty: ignored files, or a new delivery
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
    """Remove the link that led to a copied file, never its target."""
    inner = [path, *path.parents]
    for place in inner[: inner.index(delivery) + 1]:
        if place.is_symlink():
            place.unlink()
