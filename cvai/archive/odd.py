"""Parts of foreign answers that make no sense: left out one by one, logged and counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

import structlog

log = structlog.get_logger(__name__)


class OddAnswers:
    """Counts what was left out of answers, by protocol and kind of part.

    Nothing of an odd part itself is logged: it could hold anything.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._one = threading.Lock()

    def note(self, protocol: str, part: str, reason: str, **uids: str) -> None:
        """One part was left out.

        Args:
            protocol: such as ``qido``.
            part: what it should have been, such as ``study``.
            reason: a code or the names of fields, of ours.
            uids: what it belongs to.
        """
        with self._one:
            self._counts[protocol, part] += 1
        log.warning("answer_part_left_out", protocol=protocol, part=part, reason=reason, **uids)

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many were left out so far, by (protocol, part)."""
        with self._one:
            return dict(self._counts)
