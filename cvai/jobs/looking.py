"""Polling for new studies, with back-off on failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from cvai.errors import CvaiError, TemporarilyUnavailable
from cvai.jobs.defects import frames_of

log = structlog.get_logger(__name__)

MAX_BACKOFF_S = 30.0
"""Longest wait between two looks while they fail."""


class FeedWatch(Protocol):
    """Observes the polling of a feed; must not raise."""

    def feed_followed(self) -> None:
        """A look has succeeded."""
        ...

    def feed_failed(self, code: str) -> None:
        """A look has failed."""
        ...


@dataclass(frozen=True, slots=True)
class Looking:
    """Polls a feed and computes the wait until the next look.

    Failures never end the polling, they only slow it down: the archive may recover.

    Args:
        look: queues what has settled; True when more is known to wait.
        every_s: seconds between two looks.
        max_retry_after_s: upper bound of a wait that the archive requests.
        watch: observes successes and failures.
    """

    look: Callable[[], bool]
    every_s: float
    max_retry_after_s: float
    watch: FeedWatch

    def wait_s(self, waited_s: float) -> float:
        """Look once; the wait after a failure doubles the one before."""
        try:
            more = self.look()
        except Exception as error:  # noqa: BLE001 - last resort: page and jobs keep running when a feed fails
            code = _log_failure(error)
            self.watch.feed_failed(code)
            requested_s = error.retry_after_s if isinstance(error, TemporarilyUnavailable) else 0.0
            doubled_s = min(2 * max(waited_s, self.every_s), MAX_BACKOFF_S)
            return max(doubled_s, min(requested_s, self.max_retry_after_s))
        self.watch.feed_followed()
        return 0.0 if more else self.every_s


def _log_failure(error: Exception) -> str:
    """Log a failure and return its code; the text of foreign exceptions is omitted, it may quote anything."""
    if isinstance(error, CvaiError):
        log.warning("feed_not_followed", code=error.code, reason=error.message)
        return error.code
    code = _code_of(error)
    log.error("feed_not_followed", code=code, error=type(error).__name__, where=frames_of(error))
    return code


def _code_of(error: Exception) -> str:
    match error:
        case SQLAlchemyError():
            return "database_unavailable"
        case OSError():
            return "disk_unavailable"
        case _:
            return "feed_broke"
