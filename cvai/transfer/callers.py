"""Limits the connections to a port, and closes idle ones when there are too many."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Caller(Protocol):
    """A connected client."""

    @property
    def address(self) -> str:
        """Remote address."""
        ...

    @property
    def is_gone(self) -> bool:
        """Whether the connection has ended."""
        ...

    @property
    def is_silent(self) -> bool:
        """Whether it is idle: it has not requested anything yet, or has been answered."""
        ...

    def hang_up(self) -> None:
        """End the connection; returns at once."""
        ...


C = TypeVar("C", bound=Caller)


class Callers(Generic[C]):
    """Limits concurrent connections in total and per address.

    At the limit the longest idle connection is closed; a new one is refused only if all are being served. So
    connections that are merely held open block no others.

    Args:
        in_all: total limit; every connection takes a file handle.
        by_address: limit per address.

    Raises:
        ValueError: a limit is below 1.
    """

    def __init__(self, in_all: int, by_address: int) -> None:
        if min(in_all, by_address) < 1:
            raise ValueError(f"no caller would be admitted: {in_all} in all, {by_address} from one address")
        self._in_all = in_all
        self._by_address = by_address
        self._present: dict[C, None] = {}
        self._lock = threading.Lock()

    def enter(self, caller: C) -> bool:
        """Admit a connection; False if it is refused."""
        with self._lock:
            self._present = {c: None for c in self._present if not c.is_gone}
            same = [c for c in self._present if c.address == caller.address]
            full = len(same) >= self._by_address
            candidates = same if full else self._present
            if (full or len(candidates) >= self._in_all) and not self._make_room(candidates):
                return False
            self._present[caller] = None
            return True

    def leave(self, caller: C) -> None:
        """Remove an ended connection."""
        with self._lock:
            self._present.pop(caller, None)

    def _make_room(self, candidates: Iterable[C]) -> bool:
        """Close the longest idle connection; False where none is idle."""
        silent = next((c for c in candidates if c.is_silent), None)
        if silent is None:
            return False
        self._present.pop(silent, None)
        silent.hang_up()
        return True
