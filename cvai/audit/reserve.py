"""Disk space reserved for records that must be written even when the disk is full."""

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
RELEASED_PER_WRITE = 65_536
REFILLED_EVERY_S = 60.0
LEAVES_FREE = 3
"""Multiple of its size that must remain free: the reserve itself must not fill the disk."""


@dataclass
class Reserve:
    """A placeholder file that is shortened whenever the disk is full.

    Args:
        path: of the file, on the same disk.
        size_bytes: full size of the file.
        clock: monotonic seconds.
    """

    path: Path
    size_bytes: int = RESERVE_BYTES
    clock: Callable[[], float] = time.monotonic
    _next_refill_s: float = field(default=0.0, init=False)

    def write(self, append: Callable[[], None]) -> None:
        """Call ``append``, releasing as much of the reserve as it needs.

        Raises:
            OSError: the disk is full and the reserve empty; or as ``append``.
        """
        while True:
            try:
                append()
            except OSError as error:
                if error.errno not in FULL or not self._release():
                    raise
            else:
                self._refill()
                return

    def _release(self) -> bool:
        """Shorten the file; False when it is empty."""
        try:
            size = self.path.stat().st_size
            if size:
                os.truncate(self.path, max(0, size - RELEASED_PER_WRITE))
        except OSError:
            return False
        self._next_refill_s = self.clock() + REFILLED_EVERY_S
        return size > 0

    def _refill(self) -> None:
        """Reallocate the full size from time to time, if there is enough space."""
        if self.clock() < self._next_refill_s:
            return
        self._next_refill_s = self.clock() + REFILLED_EVERY_S
        try:
            if shutil.disk_usage(self.path.parent).free < (1 + LEAVES_FREE) * self.size_bytes:
                return
            with private_file(self.path).open("r+b") as file:
                if os.fstat(file.fileno()).st_size < self.size_bytes:
                    os.posix_fallocate(file.fileno(), 0, self.size_bytes)
        except OSError:
            return
