"""Room kept for what has to be written when a disk is full."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cvai.files import private_file

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
RESERVE_BYTES = 8_000_000
GIVEN_UP_AT_ONCE = 65_536
FILLED_UP_EVERY_S = 60.0
LEAVES_FREE = 3
"""Times its size that has to be left free: the reserve itself must not fill the disk."""


@dataclass
class Reserve:
    """A file of nothing, of which a piece is given up each time that the disk is full.

    Args:
        path: of the file, on the disk that may be full.
        size_bytes: of the file when it is filled up.
        clock: monotonic seconds.
    """

    path: Path
    size_bytes: int = RESERVE_BYTES
    clock: Callable[[], float] = time.monotonic
    _fill_up_at_s: float = field(default=0.0, init=False)

    def write(self, append: Callable[[], None]) -> None:
        """Do what needs room on the disk, giving up as much of the reserve as it takes.

        Raises:
            OSError: there is no room, and none left to be given up; or what else ``append`` raises.
        """
        while True:
            try:
                append()
            except OSError as error:
                if error.errno not in FULL or not self._give_up():
                    raise
            else:
                self._fill_up()
                return

    def _give_up(self) -> bool:
        """Make the file smaller; False where there is nothing left of it."""
        try:
            size = self.path.stat().st_size
            if size:
                os.truncate(self.path, max(0, size - GIVEN_UP_AT_ONCE))
        except OSError:
            return False
        self._fill_up_at_s = self.clock() + FILLED_UP_EVERY_S
        return size > 0

    def _fill_up(self) -> None:
        """Take the room again, now and then; a disk that has none keeps what there is."""
        if self.clock() < self._fill_up_at_s:
            return
        self._fill_up_at_s = self.clock() + FILLED_UP_EVERY_S
        try:
            if shutil.disk_usage(self.path.parent).free < (1 + LEAVES_FREE) * self.size_bytes:
                return
            with private_file(self.path).open("r+b") as file:
                if os.fstat(file.fileno()).st_size < self.size_bytes:
                    os.posix_fallocate(file.fileno(), 0, self.size_bytes)
        except OSError:
            return
