"""Maps HTTP failures to the errors of an archive: retry later, or rejected."""

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

RETRYABLE = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

ATTEMPTS = 2


def _is_retried_at_once(error: Exception) -> bool:
    return isinstance(error, TemporarilyUnavailable) and not error.retry_after_s


retried_once = stamina.retry(on=_is_retried_at_once, attempts=ATTEMPTS, wait_initial=0.2, wait_jitter=0.1)
"""Retries once at once: Orthanc drops idle connections after a second, at times just as they are used again.
Longer outages are handled by the retries of a job."""


@contextmanager
def archive_errors(action: str) -> Iterator[None]:
    """Turn exceptions of requests into the two errors that an archive port may raise.

    Args:
        action: of the archive, an infinitive for the message; without data but UIDs.
    """
    try:
        yield
    except requests.RequestException as error:
        if error.response is not None and not error.response.ok:
            raise answered(error.response, action) from error
        if isinstance(error, AnswerTooLarge):
            raise ArchiveRejected(
                "archive_answer_too_large",
                f"the archive's answer is too large when asked to {action}: {error}.",
                "Raise [limits] in the settings if this size is legitimate.",
            ) from error
        if isinstance(error, AnswerUnreadable):
            raise TemporarilyUnavailable(
                "archive_answer_unreadable",
                f"the archive sent an invalid answer when asked to {action} ({error}).",
                "Check its address: a proxy or a sign-in page may answer in its place.",
            ) from error
        # The exception's text can contain the URL with credentials: only its class is reported.
        raise TemporarilyUnavailable(
            "archive_unreachable",
            f"the archive did not answer when asked to {action} ({type(error).__name__}).",
            "Check that it runs and that its address is right (cvai doctor).",
        ) from error


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds until the time in Retry-After, which is seconds or a date (RFC 9110, 10.2.3); 0 if invalid.

    >>> retry_after_s({"Retry-After": "120"}), retry_after_s({"Retry-After": "soon"}), retry_after_s({})
    (120.0, 0.0, 0.0)
    """
    try:
        return float(Retry().parse_retry_after(headers.get("Retry-After", "0")))
    except (InvalidHeader, ValueError, OverflowError):  # the latter two for invalid dates
        return 0.0


def answered(response: requests.Response, action: str) -> CvaiError:
    """The error for an unsuccessful status."""
    status = response.status_code
    if status in DENIED:
        return ArchiveRejected(
            "archive_denied",
            f"the archive answered {status} when asked to {action}.",
            "Check the user name and password in the settings, and that user's rights in the archive.",
        )
    if status in RETRYABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TemporarilyUnavailable(
            "archive_busy",
            f"the archive answered {status} when asked to {action}.",
            "The request is repeated.",
            retry_after_s(response.headers),
        )
    return ArchiveRejected(
        "archive_rejected",
        f"the archive answered {status} when asked to {action}.",
        "The archive's own log says why.",
    )


def new_session(username: str | None = None, password: str | None = None) -> requests.Session:
    """A session with credentials that aborts slow responses (``cvai.archive.min_throughput``).

    It keeps connections alive. With ``Connection: close`` Orthanc answers ``keep-alive`` and closes anyway,
    so that the next request fails with RemoteDisconnected.
    """
    session = min_throughput(requests.Session())
    if username is not None:
        # As bytes: requests encodes text as Latin-1, which lacks many characters (RFC 7617 names UTF-8).
        session.auth = HTTPBasicAuth(username.encode(), (password or "").encode())
    return session
