"""What an HTTP failure means: come back later, or a final no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import requests
import stamina
from requests.auth import HTTPBasicAuth
from urllib3 import Retry
from urllib3.exceptions import InvalidHeader

from cvai.archive.foreign_json import AnswerTooLarge, AnswerUnreadable
from cvai.archive.min_throughput import min_throughput
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable

COME_BACK_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

TRIES = 2


def _worth_a_try_at_once(error: Exception) -> bool:
    return isinstance(error, TemporarilyUnavailable) and not error.retry_after_s


once_more = stamina.retry(on=_worth_a_try_at_once, attempts=TRIES, wait_initial=0.2, wait_jitter=0.1)
"""Orthanc drops an idle connection after a second, at times just as it is used again: that is worth one more
try at once. Longer outages are the job's to wait out."""


@contextmanager
def archive_errors(asked: str) -> Iterator[None]:
    """Turn what requests raises into the two errors an archive port may raise.

    Args:
        asked: what was asked of the archive, for the message; UIDs at most.
    """
    try:
        yield
    except requests.RequestException as error:
        if error.response is not None and not error.response.ok:
            raise answered(error.response, asked) from error
        if isinstance(error, AnswerTooLarge):
            raise ArchiveRejected(
                "archive_answer_too_large",
                f"the archive's answer is too large when asked to {asked}: {error}.",
                "Raise [limits] of the settings if it is as large as it should be.",
            ) from error
        if isinstance(error, AnswerUnreadable):
            raise TemporarilyUnavailable(
                "archive_answer_unreadable",
                f"the archive answered something else when asked to {asked} ({error}).",
                "Check that its address is right: a proxy or a page to sign in may answer in its place.",
            ) from error
        # The exception's own text can hold the URL with credentials: only its class is told.
        raise TemporarilyUnavailable(
            "archive_unreachable",
            f"the archive did not answer when asked to {asked} ({type(error).__name__}).",
            "Check that it runs and that its address is right (cvai doctor).",
        ) from error


def retry_after_s(headers: Mapping[str, str]) -> float:
    """For how long an answer asks to be left alone: Retry-After, seconds or a date (RFC 9110, 10.2.3).

    >>> retry_after_s({"Retry-After": "120"}), retry_after_s({"Retry-After": "soon"}), retry_after_s({})
    (120.0, 0.0, 0.0)
    """
    try:
        return float(Retry().parse_retry_after(headers.get("Retry-After", "0")))
    except (InvalidHeader, ValueError, OverflowError):  # the latter two are of dates that are none
        return 0.0


def answered(response: requests.Response, asked: str) -> CvaiError:
    """The error for an answer whose status is no success."""
    status = response.status_code
    if status in DENIED:
        return ArchiveRejected(
            "archive_denied",
            f"the archive answered {status} when asked to {asked}.",
            "Check the user name and password in the settings, and that user's rights in the archive.",
        )
    if status in COME_BACK_LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TemporarilyUnavailable(
            "archive_busy",
            f"the archive answered {status} when asked to {asked}.",
            "It is asked again.",
            retry_after_s(response.headers),
        )
    return ArchiveRejected(
        "archive_rejected",
        f"the archive answered {status} when asked to {asked}.",
        "The archive's own log says why.",
    )


def new_session(username: str | None = None, password: str | None = None) -> requests.Session:
    """A session with credentials, whose answers must make headway (``cvai.archive.min_throughput``).

    It keeps connections. Asking Orthanc to close each one makes things worse: it answers ``keep-alive`` and
    closes all the same, so that the next request fails with RemoteDisconnected.
    """
    session = min_throughput(requests.Session())
    if username is not None:
        # As bytes: text would be taken for Latin-1, which many a character is not in (RFC 7617 names UTF-8).
        session.auth = HTTPBasicAuth(username.encode(), (password or "").encode())
    return session
