"""Folds repeated log lines, so that a recurring error does not fill the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from structlog.typing import EventDict

WINDOW_S = 60.0
MAX_DISTINCT_LINES = 1000
"""Distinct lines of one event that are written per window."""

FOLDED = "lines_folded"
UNFOLDED_LEVELS = frozenset({"debug", "info"})
"""Never folded: tools count these lines."""


@dataclass
class _Window:
    """The lines of one event within a window.

    Args:
        started_s: start of the window.
        written: lines that were written.
        folded: number of lines that were dropped.
    """

    started_s: float
    written: set[str] = field(default_factory=set)
    folded: int = 0


class Folding:
    """A structlog processor that passes equal warnings and errors once per window.

    The number of dropped lines is logged with the next line of any kind after the window.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._lock = threading.Lock()

    def __call__(self, _: object, method: str, line: EventDict) -> EventDict:
        """See ``structlog.types.Processor``.

        Raises:
            DropEvent: the line has been written in this window.
        """
        if line["event"] == FOLDED:
            return line
        for event, lines in self._ended():
            structlog.get_logger().warning(FOLDED, of=event, lines=lines)
        if method in UNFOLDED_LEVELS or self._is_new(line):
            return line
        raise structlog.DropEvent

    def _ended(self) -> list[tuple[str, int]]:
        """Events whose window has ended, with the number of dropped lines."""
        now_s = self._clock()
        with self._lock:
            over = {e: w for e, w in self._windows.items() if now_s - w.started_s >= WINDOW_S}
            for event in over:
                del self._windows[event]
        return [(event, window.folded) for event, window in over.items() if window.folded]

    def _is_new(self, line: EventDict) -> bool:
        same = repr(sorted(line.items(), key=lambda item: str(item[0])))
        with self._lock:
            window = self._windows.setdefault(str(line["event"]), _Window(self._clock()))
            if same in window.written or len(window.written) >= MAX_DISTINCT_LINES:
                window.folded += 1
                return False
            window.written.add(same)
            return True
