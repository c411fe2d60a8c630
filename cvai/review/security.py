"""What every response carries and every request must satisfy, whatever route it takes.

The page loads nothing from other hosts and runs no script but its own files; it cannot be framed. A request
that changes something must come from the page itself: browsers state that in ``Sec-Fetch-Site`` or
``Origin``, the session's cookie is SameSite=Strict, and scripts repeat a secret that is sent to the page
alone.

Bodies are read here, for every route: bytes are counted as they arrive, whatever the headers claim, and the
limit is small before sign-in. Routes get the body only once it has arrived whole.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE = "cvai_session"
SIGN_IN_PATH = "/sign-in"

LARGEST_BODY_BYTES = 8_000_000
"""A draft of every frame of a large cine is well below this."""

LARGEST_BODY_WITHOUT_SESSION_BYTES = 16_000
"""A sign-in form holds a token of 43 characters."""

BODY_WITHIN_S = 60.0
"""8 MB in a minute is 1 Mbit/s."""

LONGEST_TARGET_BYTES = 8_000
"""Path and query; the longest are those with which OpenID providers send readers back (1 to 3 kB)."""

MOST_HEADERS, LARGEST_HEADERS_BYTES = 100, 16_384
DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is turned away."""

    code: str
    status: int
    message: str


TOO_LARGE = Problem("request_too_large", 413, "This request has more bytes than any draft.")
TOO_SLOW = Problem("request_too_slow", 408, "The body of this request did not arrive in time.")
AMBIGUOUS = Problem("request_ambiguous", 400, "The headers state two lengths of the body.")
TARGET_TOO_LONG = Problem("address_too_long", 414, "This address is too long.")
HEADERS_TOO_LARGE = Problem("headers_too_large", 431, "This request has too many headers, or too long ones.")
HOST_UNKNOWN = Problem("host_unknown", 421, "This address is not one of this page's; see review.public_url.")
FORGED = Problem("request_forged", 403, "This request was not made by this page.")
NOT_SIGNED_IN = Problem("sign_in_needed", 401, "You are not signed in, or your session has ended.")


class Guard:
    """Turns away requests that do not come from the page itself or are too large, and adds ``HEADERS``.

    Args:
        app: what answers.
        hosts: accepted values of Host, in lower case; other names that resolve to this address are refused.
        https: whether browsers reach the page by https and are to insist on it.
        is_signed_in: whether a session's key, as the cookie carries it, is that of a session.
    """

    def __init__(
        self, app: ASGIApp, hosts: Iterable[str], https: bool, is_signed_in: Callable[[str], bool]
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._is_signed_in = is_signed_in
        self._headers = dict(HEADERS)
        if https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        body = await self._body(scope, receive)
        if isinstance(body, Problem):
            await _turn_away(body, scope, receive, send_with_headers)
        elif body is not None:
            await self._app(scope, _replayed(body, receive), send_with_headers)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | Problem | None:
        """The whole body of a request that may be answered; None where its sender has gone away."""
        headers = Headers(scope=scope)
        if (problem := self._problem(scope, headers)) is not None:
            return problem
        limit = LARGEST_BODY_WITHOUT_SESSION_BYTES
        if scope["method"] not in SAFE_METHODS and scope["path"] != SIGN_IN_PATH:
            key = Request(scope).cookies.get(COOKIE, "")
            if not await run_in_threadpool(self._is_signed_in, key):
                return NOT_SIGNED_IN
            limit = LARGEST_BODY_BYTES
        if int(headers.get("content-length", "0")) > limit:
            return TOO_LARGE
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                return await _received(receive, limit)
        except TimeoutError:
            return TOO_SLOW

    def _problem(self, scope: Scope, headers: Headers) -> Problem | None:
        """What is wrong with a request as its head tells."""
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_TARGET_BYTES:
            return TARGET_TOO_LONG
        if len(headers.raw) > MOST_HEADERS or _size(headers) > LARGEST_HEADERS_BYTES:
            return HEADERS_TOO_LARGE
        if not has_one_length(headers, scope["http_version"]):
            return AMBIGUOUS
        if headers.get("host", "").lower() not in self._hosts:
            return HOST_UNKNOWN
        if scope["method"] not in SAFE_METHODS and not comes_from_own_page(headers):
            return FORGED
        return None


def has_one_length(headers: Headers, http_version: str) -> bool:
    """Whether everybody on the way reads the same length of the body out of the headers.

    Of both Content-Length and Transfer-Encoding a proxy may believe the other one than we do, and take what
    is left over for another request (RFC 9112, 6.1 and 11.2). HTTP/1.0 knows no Transfer-Encoding.
    """
    if "transfer-encoding" in headers:
        return "content-length" not in headers and http_version != "1.0"
    lengths = headers.getlist("content-length")
    return len(lengths) <= 1 and all(DIGITS.fullmatch(length) for length in lengths)


def comes_from_own_page(headers: Headers) -> bool:
    """Whether a browser says that the request was made by a page of this very address.

    A sender of neither header is no browser, and holds no cookie that somebody could abuse.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or origin.split("://", 1)[-1] == headers.get("host")


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) for name, value in headers.raw)


async def _received(receive: Receive, limit: int) -> bytes | Problem | None:
    """The body, unless it has more than ``limit`` bytes; None where its sender has gone away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > limit:
            return TOO_LARGE
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """``receive`` of a request whose body has been read: the body in one piece, then what comes after it."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay


async def _turn_away(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer and hang up: what is left of the body is not read."""
    content = {"code": problem.code, "message": problem.message, "hint": ""}
    answer = JSONResponse(content, problem.status, {"Connection": "close"})
    await answer(scope, receive, send)
