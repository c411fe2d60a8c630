"""/metrics, /healthz and /readyz on a port of their own, for workers that serve no page."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cvai.errors import ConfigurationInvalid
from cvai.ops.health import PLAIN, Routes
from cvai.transfer.callers import Callers

LONGEST_REQUEST_S = 10
CONNECTIONS = 20
"""Concurrent connections; each takes a thread and a file handle."""


@dataclass(eq=False)
class _Scrape:
    """A connection; always closed for a new one, since responses are immediate."""

    line: socket.socket
    address: str
    is_gone: bool = False
    is_silent: bool = True

    def hang_up(self) -> None:
        self.is_gone = True
        with suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    """Threaded server with at most CONNECTIONS connections."""

    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self._callers: Callers[_Scrape] = Callers(CONNECTIONS, CONNECTIONS)
        super().__init__(address, handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        scrape = _Scrape(request, client_address[0])
        self._callers.enter(scrape)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._callers.leave(scrape)

    def handle_error(self, *_: Any) -> None:
        """Closed connections are not logged."""


@contextmanager
def monitored(address: str | None, routes: Routes) -> Iterator[None]:
    """Serve the routes at ``host:port`` within the block; does nothing without an address.

    Raises:
        ConfigurationInvalid: the address is in use.
    """
    if address is None:
        yield
        return
    host, port = address.rsplit(":", 1)
    try:
        server = _Server((host, int(port)), _handler(routes))
    except OSError as error:
        raise ConfigurationInvalid(
            "monitor_address_unusable",
            f"{address} cannot be listened on: {error.strerror}.",
            "Set monitor_address to a free port.",
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
            """Scrapes are not logged."""

    return Handler
