"""What every answer carries and every request must show, whatever route it takes.

The page loads nothing from anywhere else and runs no script but its own files; nobody may frame it. A
request that changes something must come from the page itself: browsers say so in ``Sec-Fetch-Site`` or
``Origin``, the session's cookie is SameSite=Strict, and scripts repeat a word that only the page was told.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
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
LARGEST_BODY_BYTES = 8_000_000
"""A draft of every frame of a large cine stays well below this."""


class Guard:
    """Turns away what does not come from our own page, and sends the headers above with every answer.

    Args:
        app: what answers.
        hosts: values of Host that are ours; a name of somebody else's that points here is turned away.
        https: whether browsers reach the page by https and are to insist on it.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], https: bool) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
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

        wrong = self._wrong_with(scope["method"], Headers(scope=scope))
        if wrong is not None:
            status, code, message = wrong
            answer = JSONResponse({"code": code, "message": message, "hint": ""}, status_code=status)
            await answer(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _wrong_with(self, method: str, headers: Headers) -> tuple[int, str, str] | None:
        if headers.get("host") not in self._hosts:
            return 421, "host_unknown", "This address is not one of this page's; see review.public_url."
        if method in SAFE_METHODS:
            return None
        if not comes_from_own_page(headers):
            return 403, "request_forged", "This request was not made by this page."
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LARGEST_BODY_BYTES:
            return 413, "request_too_large", "This is more than any draft holds."
        return None


def comes_from_own_page(headers: Headers) -> bool:
    """Whether a browser says that the request was made by a page of this very address.

    What sends neither header is no browser, and holds no cookie that somebody could abuse.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or origin.split("://", 1)[-1] == headers.get("host")
