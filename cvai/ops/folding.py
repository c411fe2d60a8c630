"""Repeated log lines folded into one: what goes wrong again and again must not fill a disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from structlog.typing import EventDict

WINDOW_S = 60.0
DIFFERENT_AT_MOST = 1000
"""Lines of one event that are written in a window, where they differ."""

FOLDED = "lines_folded"
UNFOLDED_LEVELS = frozenset({"debug", "info"})
"""What goes well is told once each time; tools count these lines."""


@dataclass
class _Window:
    """What was told of one event since a moment.

    Args:
        begun_s: that moment.
        told: lines that have been written.
        folded: how many were not.
    """

    begun_s: float
    told: set[str] = field(default_factory=set)
    folded: int = 0


class Folding:
    """A processor of structlog that lets a warning or an error through once a window.

    Lines are the same where all that they tell is. How many were held back is told by a line of its own with
    the next line of any kind after the window.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._one = threading.Lock()

    def __call__(self, _: object, method: str, line: EventDict) -> EventDict:
        """See ``structlog.types.Processor``.

        Raises:
            DropEvent: the line was told already.
        """
        if line["event"] == FOLDED:
            return line
        for event, lines in self._ended():
            structlog.get_logger().warning(FOLDED, of=event, lines=lines)
        if method in UNFOLDED_LEVELS or self._is_new(line):
            return line
        raise structlog.DropEvent

    def _ended(self) -> list[tuple[str, int]]:
        """Events whose window is over, with the number of lines held back."""
        now_s = self._clock()
        with self._one:
            over = {e: w for e, w in self._windows.items() if now_s - w.begun_s >= WINDOW_S}
            for event in over:
                del self._windows[event]
        return [(event, window.folded) for event, window in over.items() if window.folded]

    def _is_new(self, line: EventDict) -> bool:
        same = repr(sorted(line.items(), key=lambda item: str(item[0])))
        with self._one:
            window = self._windows.setdefault(str(line["event"]), _Window(self._clock()))
            if same in window.told or len(window.told) >= DIFFERENT_AT_MOST:
                window.folded += 1
                return False
            window.told.add(same)
            return True
