"""Answers that must make headway: a server that sends a byte now and then holds nobody for ever.

The timeout of a request is that between two pieces of its answer, however small. It says nothing of an answer
that drips on without an end.
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

SLOWEST_BYTES_A_SECOND = 1000
"""A study of 300 MB may take three days at that; what is slower is broken."""


class _PacedReader(io.RawIOBase):
    """What a server sends, while it sends at least so fast.

    Args:
        raw: the line.
        patience_s: what is waited beside the time that its bytes may take.
    """

    def __init__(self, raw: io.RawIOBase, patience_s: float) -> None:
        self._raw = raw
        self._until_s = time.monotonic() + patience_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        n_bytes = self._raw.readinto(buffer)
        self._until_s += (n_bytes or 0) / SLOWEST_BYTES_A_SECOND
        if n_bytes and time.monotonic() > self._until_s:
            raise TimeoutError("the answer makes no headway")
        return n_bytes

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PacedResponse(HTTPResponse):
    """An answer, from its first byte on; it may take its time twice, once to begin."""

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
    """Has a session's answers make headway, also through a proxy; what does not ends as a timeout."""

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
    """The session, whose answers have to make headway from now on."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, _PacedAdapter())
    return session


def _pace(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _PacedPool, "https": _PacedSecurePool}
