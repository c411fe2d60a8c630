"""What lies in the inbox and cannot be taken in: logged once, counted, found by its inode."""

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
    """Something that cannot be taken in.

    Its name may be a patient's; ``find INBOX -inum INODE`` finds it.

    Args:
        reason: why, such as ``Permission denied``.
        kind: folder, file, link, pipe, socket or device.
        inode: of it.
        files: how many files it holds, as far as they could be counted.
        unreadable: how many of them cannot be read.
    """

    reason: str
    kind: str
    inode: int
    files: int = 0
    unreadable: int = 0


class Obstacles:
    """The obstacles of an inbox at present; each is logged when it is first met."""

    def __init__(self) -> None:
        self._present: dict[Path, Obstacle] = {}
        self._logged: dict[Path, Obstacle] = {}

    def __len__(self) -> int:
        return len(self._present)

    @property
    def present(self) -> tuple[Obstacle, ...]:
        """All of them."""
        return tuple(self._present.values())

    def look_again(self) -> None:
        """Forget what was met: what is an obstacle still is met again."""
        self._present = {}

    def meet_error(self, path: Path, error: OSError) -> None:
        """Something cannot be looked at."""
        self.meet(path, error.strerror or type(error).__name__)

    def meet(self, path: Path, reason: str, files: int = 0, unreadable: int = 0) -> None:
        """Something cannot be taken in."""
        try:
            status = os.lstat(path)
        except OSError:
            return  # gone since
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "file")
        self._present[path] = Obstacle(reason, kind, status.st_ino, files, unreadable)

    def meet_again(self, path: Path) -> None:
        """Something that was not taken in waits to be tried again."""
        if path in self._logged:
            self._present[path] = self._logged[path]

    def log_new(self) -> None:
        """Log the obstacles that are new, or have another reason, since the last call."""
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
