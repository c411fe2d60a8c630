"""Who is connected to a port of ours, and who has to leave when there are too many."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Caller(Protocol):
    """Somebody who is connected."""

    @property
    def address(self) -> str:
        """Where from."""
        ...

    @property
    def is_gone(self) -> bool:
        """Whether the connection has ended."""
        ...

    @property
    def is_silent(self) -> bool:
        """Whether nothing is being done for it: it has asked for nothing yet, or has had its answer."""
        ...

    def hang_up(self) -> None:
        """End the connection; returns at once."""
        ...


C = TypeVar("C", bound=Caller)


class Callers(Generic[C]):
    """Lets so many in at the same time, in all and from one address.

    Where there are too many, whoever has been silent for longest has to leave; a caller is turned away only
    where all others are being served. So connections that are merely held open keep nobody out.

    Args:
        in_all: connections at most; every one takes a file handle.
        by_address: of these, from one address.

    Raises:
        ValueError: none would be let in.
    """

    def __init__(self, in_all: int, by_address: int) -> None:
        if min(in_all, by_address) < 1:
            raise ValueError(f"nobody would be let in: {in_all} in all, {by_address} from one address")
        self._in_all = in_all
        self._by_address = by_address
        self._present: dict[C, None] = {}
        self._one = threading.Lock()

    def enter(self, caller: C) -> bool:
        """Let a caller in, or not."""
        with self._one:
            self._present = {c: None for c in self._present if not c.is_gone}
            same = [c for c in self._present if c.address == caller.address]
            full = len(same) >= self._by_address
            crowd = same if full else self._present
            if (full or len(crowd) >= self._in_all) and not self._make_room(crowd):
                return False
            self._present[caller] = None
            return True

    def leave(self, caller: C) -> None:
        """A connection has ended."""
        with self._one:
            self._present.pop(caller, None)

    def _make_room(self, crowd: Iterable[C]) -> bool:
        """Have the one leave that has been here for longest and is silent; False where none is."""
        silent = next((c for c in crowd if c.is_silent), None)
        if silent is None:
            return False
        self._present.pop(silent, None)
        silent.hang_up()
        return True
