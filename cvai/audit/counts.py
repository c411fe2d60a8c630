"""Audits frequent events: the first at once, repeats as one message with their count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cvai.audit.messages import AuditEvent


@dataclass
class _Repeated:
    event: AuditEvent
    until_s: float
    since: datetime | None = None
    times: int = 0


class CountedEvents:
    """Counts repeated events within a time window; thread-safe.

    Counts are in memory only: a killed process loses a number of repeats, never the first event.

    Args:
        record: writes a message; see ``AuditTrail.record``.
        window_s: length of the window.
        clock: monotonic seconds.
        now: the present time, timezone aware.
    """

    def __init__(
        self,
        record: Callable[[AuditEvent], None],
        window_s: float,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._record = record
        self._window_s = window_s
        self._clock = clock
        self._now = now
        self._open: dict[Hashable, _Repeated] = {}
        self._lock = threading.Lock()

    def record(self, key: Hashable, event: AuditEvent) -> None:
        """Write the event, or count it if one of this key was written within the window.

        Raises:
            TemporarilyUnavailable: it could not be written; see ``AuditTrail.record``.
        """
        with self._lock:
            repeated = self._open.get(key)
            if repeated is not None and self._clock() < repeated.until_s:
                repeated.since = repeated.since or self._now()
                repeated.times += 1
                return
            self._close(key)
            self._record(event)
            self._open[key] = _Repeated(event, self._clock() + self._window_s)

    def write_counts(self, *, all_of_them: bool = False) -> None:
        """Write the counts of windows that have ended, or of all.

        Raises:
            TemporarilyUnavailable: a count could not be written; it is kept for the next time.
        """
        with self._lock:
            now_s = self._clock()
            for key in [k for k, r in self._open.items() if all_of_them or now_s >= r.until_s]:
                self._close(key)

    def _close(self, key: Hashable) -> None:
        repeated = self._open.get(key)
        if repeated is None:
            return
        if repeated.times:
            self._record(replace(repeated.event, times=repeated.times, since=repeated.since))
        del self._open[key]
