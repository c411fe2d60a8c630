"""Aborts HTTP responses below a minimum throughput.

The timeout of a request applies between two pieces of its response, however small, and does not end one that
trickles on for ever.
"""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

S = TypeVar("S", bound=requests.Session)

MIN_BYTES_PER_S = 1000
"""A study of 300 MB takes three days at this rate."""


class _PacedReader(io.RawIOBase):
    """Reads a response, and raises TimeoutError below the minimum throughput.

    Args:
        raw: the connection.
        grace_s: allowed in addition to the time for the received bytes.
    """

    def __init__(self, raw: io.RawIOBase, grace_s: float) -> None:
        self._raw = raw
        self._deadline_s = time.monotonic() + grace_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        n_bytes = self._raw.readinto(buffer)
        self._deadline_s += (n_bytes or 0) / MIN_BYTES_PER_S
        if n_bytes and time.monotonic() > self._deadline_s:
            raise TimeoutError("the answer is below the minimum throughput")
        return n_bytes

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PacedResponse(HTTPResponse):
    """A response with minimum throughput; the grace is twice the timeout, which also covers its start."""

    def __init__(self, sock: Any, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        if (timeout_s := sock.gettimeout()) is not None:
            self.fp = io.BufferedReader(_PacedReader(self.fp.detach(), 2 * timeout_s))


class _PacedConnection(HTTPConnection):
    response_class = _PacedResponse


class _PacedSecureConnection(HTTPSConnection):
    response_class = _PacedResponse


class _PacedPool(HTTPConnectionPool):
    ConnectionCls = _PacedConnection


class _PacedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _PacedSecureConnection


class _PacedAdapter(HTTPAdapter):
    """Transport adapter with minimum throughput, also through a proxy."""

    def init_poolmanager(self, *sizes: Any, **named: Any) -> None:
        """See the base class."""
        super().init_poolmanager(*sizes, **named)
        _pace(self.poolmanager)

    def proxy_manager_for(self, *proxy: Any, **named: Any) -> PoolManager:
        """See the base class."""
        manager: PoolManager = super().proxy_manager_for(*proxy, **named)
        _pace(manager)
        return manager


def min_throughput(session: S) -> S:
    """The same session, made to abort slow responses."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, _PacedAdapter())
    return session


def _pace(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _PacedPool, "https": _PacedSecurePool}
