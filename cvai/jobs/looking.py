"""Looking for new studies again and again, whatever becomes of a look."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from cvai.errors import CvaiError, TemporarilyUnavailable

log = structlog.get_logger(__name__)

LONGEST_LOOK_S = 30.0
"""Between two looks while they fail."""


class FeedWatch(Protocol):
    """Is told how looks go, and must not raise."""

    def feed_followed(self) -> None:
        """A look has come to its end."""
        ...

    def feed_failed(self, code: str) -> None:
        """A look has failed."""
        ...


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks, and tells how long to wait until the next time.

    A service that stops over a wrong answer would miss the mended archive: it keeps asking, slower.

    Args:
        look: queues what has settled; True when more is known to wait.
        every_s: seconds between two looks.
        longest_asked_s: an archive that asks to be left alone is, for no longer than this.
        watch: told how looks go.
    """

    look: Callable[[], bool]
    every_s: float
    longest_asked_s: float
    watch: FeedWatch

    def wait_s(self, waited_s: float) -> float:
        """Look once; the wait after a failure doubles the one before."""
        try:
            more = self.look()
        except Exception as error:  # noqa: BLE001 - the last net of the service: page and jobs outlive a feed
            code = _told(error)
            self.watch.feed_failed(code)
            asked_s = error.retry_after_s if isinstance(error, TemporarilyUnavailable) else 0.0
            doubled_s = min(2 * max(waited_s, self.every_s), LONGEST_LOOK_S)
            return max(doubled_s, min(asked_s, self.longest_asked_s))
        self.watch.feed_followed()
        return 0.0 if more else self.every_s


def _told(error: Exception) -> str:
    """Log why a look failed; returns its code. What an exception of others says may quote anything."""
    if isinstance(error, CvaiError):
        log.warning("feed_not_followed", code=error.code, reason=error.message)
        return error.code
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    code = _code_of(error)
    log.error("feed_not_followed", code=code, error=type(error).__name__, where=where)
    return code


def _code_of(error: Exception) -> str:
    match error:
        case SQLAlchemyError():
            return "database_unavailable"
        case OSError():
            return "disk_unavailable"
        case _:
            return "feed_broke"
