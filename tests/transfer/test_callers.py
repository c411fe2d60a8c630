"""Connections that are merely held open keep nobody out; who is being served is never put out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.transfer.callers import Callers


@dataclass(eq=False)
class Somebody:
    address: str
    is_silent: bool = True
    is_gone: bool = False
    hung_up: bool = False

    def hang_up(self) -> None:
        self.hung_up = self.is_gone = True


def test_silent_callers_make_room_the_longest_silent_first() -> None:
    callers: Callers[Somebody] = Callers(in_all=10, by_address=2)
    first, second, third = (Somebody("a") for _ in range(3))
    assert all(callers.enter(caller) for caller in (first, second, third))
    assert [caller.hung_up for caller in (first, second, third)] == [True, False, False]


def test_who_is_served_stays_and_another_is_turned_away() -> None:
    callers: Callers[Somebody] = Callers(in_all=10, by_address=2)
    served = [Somebody("a", is_silent=False) for _ in range(2)]
    assert all(callers.enter(caller) for caller in served)
    assert not callers.enter(Somebody("a"))
    assert callers.enter(Somebody("b")), "another address is another matter"
    callers.leave(served[0])
    assert callers.enter(Somebody("a"))


def test_who_is_gone_takes_no_place() -> None:
    callers: Callers[Somebody] = Callers(in_all=1, by_address=1)
    gone = Somebody("a", is_silent=False)
    assert callers.enter(gone)
    gone.is_gone = True
    assert callers.enter(Somebody("b", is_silent=False))


@given(
    arrivals=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60),
    in_all=st.integers(1, 8),
    by_address=st.integers(1, 8),
)
def test_there_are_never_more_than_allowed_and_nobody_served_is_put_out(
    arrivals: list[tuple[str, bool]], in_all: int, by_address: int
) -> None:
    callers: Callers[Somebody] = Callers(in_all, by_address)
    present: list[Somebody] = []
    for address, silent in arrivals:
        caller = Somebody(address, is_silent=silent)
        if callers.enter(caller):
            present.append(caller)
        present = [c for c in present if not c.hung_up]
        assert len(present) <= in_all
        assert sum(c.address == address for c in present) <= by_address
    assert not any(c.hung_up for c in present if not c.is_silent)


@pytest.mark.parametrize(("in_all", "by_address"), [(0, 1), (1, 0)])
def test_a_limit_that_lets_nobody_in_is_a_mistake(in_all: int, by_address: int) -> None:
    with pytest.raises(ValueError, match="no caller would be admitted"):
        Callers(in_all, by_address)
