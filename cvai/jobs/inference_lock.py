"""Serialises inference among concurrent analyses."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from cvai.analyses.stopwatch import Lock


class InferenceLock:
    """Lets analyses segment one at a time, in the order in which they began.

    A network uses all threads and device memory available to it; reading, measuring and writing need little
    of either and run beside it.
    """

    def __init__(self) -> None:
        self._yet_to_segment: deque[object] = deque()
        self._is_taken = False
        self._moved = threading.Condition()

    @contextmanager
    def entered(self) -> Iterator[Lock]:
        """Register an analysis; yields the lock to hold while segmenting, any number of times."""
        analysis = object()
        with self._moved:
            self._yet_to_segment.append(analysis)
        try:
            yield partial(self._segmenting, analysis)
        finally:
            self._let_others_pass(analysis)

    @contextmanager
    def _segmenting(self, analysis: object) -> Iterator[None]:
        with self._moved:
            self._moved.wait_for(lambda: not self._is_taken and not self._is_behind_others(analysis))
            self._is_taken = True
        try:
            yield
        finally:
            with self._moved:
                self._is_taken = False
            self._let_others_pass(analysis)

    def _is_behind_others(self, analysis: object) -> bool:
        waiting = self._yet_to_segment
        return analysis in waiting and waiting[0] is not analysis

    def _let_others_pass(self, analysis: object) -> None:
        with self._moved:
            if analysis in self._yet_to_segment:
                self._yet_to_segment.remove(analysis)
            self._moved.notify_all()
