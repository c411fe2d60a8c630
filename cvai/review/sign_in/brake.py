"""How many sign-ins may fail: by address, and never at the cost of somebody who has the right token."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

MOST_ADDRESSES = 1000
"""Kept apart; what fails from others meanwhile counts as one."""

OTHERS = ""
IPV6_PREFIX = 64
"""One subscriber has at least such a network, and all of its addresses."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many failed sign-ins of one address are answered as such.

    Args:
        at_once: before the brake holds.
        next_every_s: seconds until one more is, by then.
    """

    at_once: int
    next_every_s: float


OF_TOKENS = Allowance(at_once=20, next_every_s=3.0)
"""Nobody types so many wrong tokens."""

OF_A_PROVIDER = Allowance(at_once=100, next_every_s=1.0)
"""Also of a provider that fails everybody behind one proxy for a while."""


class SignInBrake:
    """Counts failed sign-ins by address; it may be used by several threads.

    A token has 256 random bits and names no account. The brake bounds what failed tries cost and write, not
    the guessing, which is hopeless at any rate. So a right token is accepted however many wrong ones came
    from its address: nobody locks out others, not even those behind the same proxy. What makes the page ask
    an OpenID provider has to wait.

    Args:
        allowance: how many may fail.
        clock: monotonic seconds.
    """

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowance = allowance
        self._clock = clock
        self._paid_until_s: dict[str, float] = {}
        """When the failed tries of an address are forgotten; each adds ``next_every_s``."""
        self._lock = threading.Lock()

    def source(self, address: str) -> str:
        """Which addresses count as one: an IPv6 network, or all that came when too many were kept already."""
        with self._lock:
            return self._source(address)

    def wait_s(self, address: str) -> float:
        """Seconds until a failed sign-in from this address is answered as such again; 0 for at once."""
        with self._lock:
            return self._wait_s(self._source(address))

    def failed(self, address: str) -> float:
        """Count a failed sign-in; returns the value of ``wait_s`` before it."""
        with self._lock:
            source = self._source(address)
            wait_s = self._wait_s(source)
            if wait_s == 0:
                standing_s = max(self._paid_until_s.get(source, 0.0), self._clock())
                self._paid_until_s[source] = standing_s + self._allowance.next_every_s
            return wait_s

    def _wait_s(self, source: str) -> float:
        ahead_s = self._paid_until_s.get(source, 0.0) - self._clock()
        return max(0.0, ahead_s - (self._allowance.at_once - 1) * self._allowance.next_every_s)

    def _source(self, address: str) -> str:
        source = network_of(address)
        if source in self._paid_until_s or len(self._paid_until_s) < MOST_ADDRESSES:
            return source
        now_s = self._clock()
        self._paid_until_s = {s: until_s for s, until_s in self._paid_until_s.items() if until_s > now_s}
        return source if len(self._paid_until_s) < MOST_ADDRESSES else OTHERS


def network_of(address: str) -> str:
    """The address, or the network an IPv6 address lies in.

    >>> network_of("192.0.2.7"), network_of("2001:db8::1:2:3:4"), network_of("a name")
    ('192.0.2.7', '2001:db8::/64', 'a name')
    """
    try:
        found = ip_address(address.split("%", maxsplit=1)[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((found, IPV6_PREFIX), strict=False))
