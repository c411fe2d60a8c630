"""Connections to the page: so many at a time, and none that is held without being used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import ClassVar

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from cvai.transfer.callers import Callers

log = structlog.get_logger(__name__)

HEAD_S = 10.0
"""For the head of a request to arrive, from the connection or its first byte on."""

BODY_S, SLOWEST_BODY_BYTES_A_SECOND = 30.0, 10_000
"""For a body to arrive, besides the time that its bytes may take."""

TAKEN_S = 60.0
"""For the other side to take what is sent to it."""

ACCEPTED_AT_ONCE = 64
"""Before any of them can be turned away; each takes a file handle."""


class LimitedConnection(H11Protocol):
    """One connection, a ``Caller``; it makes headway, or is ended."""

    callers: ClassVar[Callers[LimitedConnection]]
    proxies: ClassVar[Sequence[str]] = ()
    address = ""
    _timer: asyncio.TimerHandle | None = None
    _body_until_s = 0.0

    @property
    def is_gone(self) -> bool:
        """See ``Caller``."""
        return self.transport.is_closing()

    @property
    def is_silent(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def hang_up(self) -> None:
        """See ``Caller``."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Let it in or not."""
        super().connection_made(transport)
        host, port = self.client or ("", 0)
        # Behind a proxy everybody has its address.
        self.address = f"{host}:{port}" if _is_among(host, self.proxies) else host
        if self.callers.enter(self):
            self._end_after(HEAD_S)
        else:
            log.warning("connection_refused", address=host)
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See the base class."""
        self._keep()
        self.callers.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See the base class; a request that comes too slowly ends the connection."""
        awaited_body = self.conn.their_state is h11.SEND_BODY
        super().data_received(data)
        match self.conn.their_state:
            case h11.SEND_BODY:
                now_s = self.loop.time()
                if not awaited_body:
                    self._body_until_s = now_s + BODY_S
                self._body_until_s += len(data) / SLOWEST_BODY_BYTES_A_SECOND
                self._end_after(self._body_until_s - now_s)
            case h11.IDLE:
                if self._timer is None:
                    self._end_after(HEAD_S)
            case _:
                self._keep()

    def pause_writing(self) -> None:
        """See the base class: the other side does not take what is sent."""
        super().pause_writing()
        self._end_after(TAKEN_S)

    def resume_writing(self) -> None:
        """See the base class."""
        super().resume_writing()
        self._keep()

    def _end_after(self, seconds: float) -> None:
        self._keep()
        self._timer = self.loop.call_later(seconds, self._end)

    def _keep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        log.warning("connection_too_slow", address=self.address)
        self.transport.abort()


def limited(in_all: int, by_address: int, proxies: Sequence[str]) -> type[LimitedConnection]:
    """Connections to one server.

    Args:
        in_all: at the same time.
        by_address: of these, from one address.
        proxies: addresses and networks from which many come through one.
    """

    class Connection(LimitedConnection):
        callers = Callers(in_all, by_address)

    Connection.proxies = proxies
    return Connection


def _is_among(host: str, networks: Sequence[str]) -> bool:
    return bool(host) and any(ip_address(host) in ip_network(network) for network in networks)
