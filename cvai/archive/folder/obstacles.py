"""Items in the inbox that cannot be imported: logged once, counted, identified by inode."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import structlog

log = structlog.get_logger(__name__)

_KINDS: Mapping[int, str] = MappingProxyType(
    {
        stat.S_IFDIR: "folder",
        stat.S_IFREG: "file",
        stat.S_IFLNK: "link",
        stat.S_IFIFO: "pipe",
        stat.S_IFSOCK: "socket",
        stat.S_IFBLK: "device",
        stat.S_IFCHR: "device",
    }
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An item that cannot be imported; its name may be a patient's, ``find INBOX -inum INODE`` finds it.

    Args:
        reason: why, such as ``Permission denied``.
        kind: folder, file, link, pipe, socket or device.
        inode: number.
        files: number of files in it, as far as known.
        unreadable: number of those that cannot be read.
    """

    reason: str
    kind: str
    inode: int
    files: int = 0
    unreadable: int = 0


class Obstacles:
    """The current obstacles of an inbox; each is logged when first met."""

    def __init__(self) -> None:
        self._present: dict[Path, Obstacle] = {}
        self._logged: dict[Path, Obstacle] = {}

    def __len__(self) -> int:
        return len(self._present)

    @property
    def present(self) -> tuple[Obstacle, ...]:
        """All current obstacles."""
        return tuple(self._present.values())

    def look_again(self) -> None:
        """Start a new pass: remaining obstacles are met again."""
        self._present = {}

    def meet_error(self, path: Path, error: OSError) -> None:
        """Record an item that cannot be listed."""
        self.meet(path, error.strerror or type(error).__name__)

    def meet(self, path: Path, reason: str, files: int = 0, unreadable: int = 0) -> None:
        """Record an item that cannot be imported."""
        try:
            status = os.lstat(path)
        except OSError:
            return  # gone since
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "file")
        self._present[path] = Obstacle(reason, kind, status.st_ino, files, unreadable)

    def meet_again(self, path: Path) -> None:
        """Record a deferred item as it was logged."""
        if path in self._logged:
            self._present[path] = self._logged[path]

    def log_new(self) -> None:
        """Log obstacles that are new or changed since the last call."""
        for path, obstacle in self._present.items():
            if self._logged.get(path) != obstacle:
                log.error(
                    "delivery_not_taken",
                    reason=obstacle.reason,
                    kind=obstacle.kind,
                    inode=obstacle.inode,
                    files=obstacle.files,
                    unreadable=obstacle.unreadable,
                )
        self._logged = dict(self._present)
