"""/metrics, /healthz and /readyz on a port of their own, for workers that serve no page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cvai.engine.health import PLAIN, Routes
from cvai.errors import ConfigurationInvalid

LONGEST_REQUEST_S = 10


@contextmanager
def monitored(address: str | None, routes: Routes) -> Iterator[None]:
    """Answer at ``host:port`` while the context lasts; nowhere without an address.

    Raises:
        ConfigurationInvalid: the address is taken.
    """
    if address is None:
        yield
        return
    host, port = address.rsplit(":", 1)
    try:
        server = ThreadingHTTPServer((host, int(port)), _handler(routes))
    except OSError as error:
        raise ConfigurationInvalid(
            "monitor_address_unusable",
            f"{address} cannot be listened on: {error.strerror}.",
            "Give monitor_address a port that is free.",
        ) from error
    threading.Thread(target=server.serve_forever, name="monitor", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _handler(routes: Routes) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = LONGEST_REQUEST_S
        server_version, sys_version = "cvai", ""

        def do_GET(self) -> None:  # the base class names it so
            answer = routes.get(self.path.partition("?")[0])
            status, text, kind = answer() if answer else (HTTPStatus.NOT_FOUND, "not found\n", PLAIN)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not news."""

    return Handler
