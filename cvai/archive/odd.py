"""Counts invalid parts of foreign responses, which are skipped one by one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

import structlog

log = structlog.get_logger(__name__)


class OddAnswers:
    """Counts skipped parts of responses, by protocol and kind.

    Their values are never logged: they could be anything.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def note(self, protocol: str, part: str, reason: str, **uids: str) -> None:
        """Log and count a skipped part.

        Args:
            protocol: such as ``qido``.
            part: its expected kind, such as ``study``.
            reason: one of our codes or field names.
            uids: of the object it belongs to.
        """
        with self._lock:
            self._counts[protocol, part] += 1
        log.warning("answer_part_left_out", protocol=protocol, part=part, reason=reason, **uids)

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """Number of skipped parts by (protocol, part)."""
        with self._lock:
            return dict(self._counts)
